from __future__ import annotations

from sse_twisted.config.server_json import ConfigRemark
from sse_twisted.daemon.remarks import Remarks
from sse_twisted.event_folder.workplace import Workplace
from tests.support.event import VirtualEvent


def test_remarks_on_the_configuration_are_logged_when_they_change(event: VirtualEvent) -> None:
    ignored = (ConfigRemark("server.json: ignored: Queuing.Timeout", False),)
    collector = event.start()
    work = Workplace(collector.folder, collector.disk, collector.fleet, collector.live, event.reactor, collector.log)
    remarks = Remarks(work)
    remarks.on_configuration(ignored)
    remarks.on_configuration(ignored)
    assert event.said("Queuing") == ["INFO Configuration: server.json: ignored: Queuing.Timeout"]
    unknown = (ConfigRemark("server.json: Evnt: unknown key", True),)
    remarks.on_configuration(unknown)
    remarks.on_configuration(unknown)
    assert event.said("Evnt") == ["WARN Configuration: server.json: Evnt: unknown key"]
