"""What twistd calls for `twistd sse`: its options, and the services by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.application.service import IService

from sse_twisted.runtime.gc_freeze import importing
from sse_twisted.runtime.one_thread import compute_in_one_thread

if TYPE_CHECKING:
    from sse_twisted.daemon.options import Options

__all__ = ["Options", "makeService"]


def __getattr__(name: str) -> Any:
    """Import the options when twistd asks for them: numpy, which comes with them, must start no threads."""
    if name != "Options":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    compute_in_one_thread()
    with importing():
        from sse_twisted.daemon.options import Options

    return Options


def makeService(options: Options) -> IService:
    """Assemble the services of `twistd sse`; what they need is imported for that only."""
    from twisted.internet import reactor

    with importing():
        from sse_twisted.daemon.assembly import assemble

    return assemble(reactor, options)
