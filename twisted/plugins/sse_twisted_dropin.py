"""What twistd finds: `twistd sse`. Nothing is imported before it is asked for."""

from twisted.application.service import ServiceMaker

collector = ServiceMaker(
    "The collector",
    "sse_twisted.daemon.tap",
    "Collect the GPS tracks of a speed-sailing event from its WiFi loggers.",
    "sse",
)
