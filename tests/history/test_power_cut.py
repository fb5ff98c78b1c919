"""A power cut at each moment: what was not synced is gone, and no device may be taken for collected wrongly."""

from __future__ import annotations

from pathlib import Path

import pytest

from sse_twisted.event_folder.folder import EventFolder
from tests.support.event import MORNING, VirtualEvent, log_of, track
from tests.support.power import ForgetfulDisk
from tests.support.virtual import LateThreads

DEVICES = (601, 602, 603)
HOUR = 3_600_000  # ms


def stored(root: Path, identifier: int) -> set[bytes]:
    """The tracks of a device at final names."""
    return {path.read_bytes() for path in root.glob(f"gpslogs/*/[!.]*_{identifier}_*.oao")}


def completed(root: Path, identifier: int) -> int:
    """How many tracks of a device its ledger calls completed."""
    entries = EventFolder(root).entries(identifier)
    return sum(entry["status"] == "completed" for entry in entries.values())


def an_afternoon(event: VirtualEvent) -> None:
    """Three devices, one of which brings another track later, and one that goes away too early."""
    for identifier in DEVICES:
        event.device(identifier, log_of(identifier))
    event.start()
    # Before a first state is on disk, the time of an answer tells, and files here have that of today.
    while not event.folder.state_file.exists():
        event.advance(0.1)
    event.advance(1.0)  # its name is synced, too
    event.arrive(601, 602)
    event.until("motion-602 can be disconnected")
    event.leave(601, 602)
    event.until("motion-601 has been disconnected")
    event.servers[601].device.logs.append(log_of(601, MORNING + HOUR))
    event.arrive(601, 603)
    event.until("queued")
    event.advance(0.1)
    event.leave(603)
    event.until("motion-601 ABC601XYZ_601_20221017_100000.oao downloaded")
    event.advance(20)


@pytest.mark.parametrize("whole", [True, False], ids=["synced as a whole", "synced one by one"])
def test_leaves_no_false_verdict_and_no_alarm_too_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    event = VirtualEvent(tmp_path / "event")
    event.start_in_thread = LateThreads(event.reactor, [0.5]).start
    disk = ForgetfulDisk(event.root, lambda: len(event.lines))
    with monkeypatch.context() as patch:
        event.root.mkdir()
        disk.install(patch, whole=whole)
        an_afternoon(event)
        event.stop()
    bring = {identifier: {track(identifier)} for identifier in DEVICES}
    later = next(number for number, line in enumerate(event.lines) if "601_20221017_100000.oao queued" in line)
    assert len(disk.cuts) > 30
    for number, cut in enumerate(disk.cuts):
        left = disk.after(number, tmp_path / "left")
        said = event.lines[: cut.said]
        if cut.said > later:
            bring[601] = {track(601), track(601, MORNING + HOUR)}
        for identifier in DEVICES:
            here = stored(left, identifier)
            assert here <= {track(identifier), track(identifier, MORNING + HOUR)}, "a file at a final name is whole"
            verdicts = [line for line in said if f"motion-{identifier} can be disconnected" in line]
            if verdicts and (identifier != 601 or cut.said <= later or len(verdicts) > 1):
                assert here >= bring[identifier], f"cut {number}: a false verdict about {identifier}"
                assert completed(left, identifier) == len(bring[identifier])
        begin_on(left, event, bring)


def begin_on(left: Path, before: VirtualEvent, bring: dict[int, set[bytes]]) -> None:
    """Start on what is left: each device that is known to have been here has all its tracks here, or an alarm."""
    event = VirtualEvent(left)
    event.people = before.people
    event.write_roster()
    event.utc = before.utc + before.reactor.seconds()
    event.start()
    event.advance(20.0)  # a device that may be there is looked for first
    for identifier in DEVICES:
        answer = event.folder.device_folder(identifier) / "logs.json"
        listed = answer.read_bytes() if answer.exists() else b""
        brought = {data for data in bring[identifier] if stamp_of(identifier, data) in listed}
        if brought - stored(left, identifier):
            assert event.said(f"motion-{identifier} left too early"), "\n".join(
                ["no alarm", *event.lines, *map(str, left.rglob("*"))]
            )
    event.stop()


def stamp_of(identifier: int, data: bytes) -> bytes:
    """What a listing has of a track: its path."""
    starts = (MORNING, MORNING + HOUR)
    return next(log.path.encode() for start in starts if (log := log_of(identifier, start)).content == data)
