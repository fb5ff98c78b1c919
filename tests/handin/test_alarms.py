"""A device that left too early, whose sailor has handed in a backup."""

from __future__ import annotations

from sse_twisted.event_folder.track_name import TrackName
from sse_twisted.fleet import Stage
from tests.support.event import MORNING, VirtualEvent, begin_anew
from tests.tracks import written

LOST = "1 of 1 track missing"


def test_its_alarm_says_so_and_goes_on(event: VirtualEvent) -> None:
    event.person(601)
    collector = event.start()
    event.advance(1)
    collector.fleet.update(601, stage=Stage.GONE, left_early=LOST)
    path = event.root / "hand-in/ABC601XYZ watch.sbp"
    path.write_bytes(written.sbp(written.points(300, start=MORNING)))
    event.advance(10)
    (track,) = (path.rpartition("/")[2] for path in event.tracks())
    assert TrackName.parse(track)
    assert event.said(f"motion-601 left too early - {LOST}; its sailor has handed in a backup: {track}")
    assert (event.known(601).left_early, event.known(601).backup) == (LOST, track)
    assert len(event.said("has handed in a backup")) == 1


def test_a_restart_knows_both(event: VirtualEvent) -> None:
    test_its_alarm_says_so_and_goes_on(event)
    begin_anew(event)
    event.advance(20)
    device = event.known(601)
    assert device.left_early
    assert device.backup.endswith(".sbp")


def test_a_backup_of_another_day_is_none(event: VirtualEvent) -> None:
    event.person(601)
    collector = event.start()
    event.advance(1)
    collector.fleet.update(601, stage=Stage.GONE, left_early=LOST)
    path = event.root / "hand-in/ABC601XYZ watch.sbp"
    path.write_bytes(written.sbp(written.points(300, start=MORNING - 86_400_000)))
    event.advance(10)
    assert event.tracks()
    assert not event.known(601).backup
