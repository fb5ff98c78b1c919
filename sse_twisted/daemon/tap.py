"""What twistd calls for `twistd sse`: its options, and the services by them."""

from __future__ import annotations

from twisted.application.service import IService

from sse_twisted.daemon.options import Options

__all__ = ["Options", "makeService"]


def makeService(options: Options) -> IService:
    """Assemble the services of `twistd sse`; what they need is imported for that only."""
    from twisted.internet import reactor

    from sse_twisted.daemon.assembly import assemble

    return assemble(reactor, options)
