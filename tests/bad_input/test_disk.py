"""A disk that is full or can't be written to, and what an earlier run left on it."""

from __future__ import annotations

import errno
import inspect
import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.ledger import Ledger
from sse_twisted.event_folder.partial import PartialTrack
from sse_twisted.runtime import disk
from sse_twisted.simulator.faults import Fault
from sse_twisted.simulator.headers import encode_header, read_header
from tests.simulator.wire import on_the_reactor
from tests.support.event import MORNING, log_of, track
from tests.support.real_event import RealEvent

LOG = log_of(601)
LENGTH = len(LOG.content)
NAME = "ABC601XYZ_601_20221017_090000.oao"
PART = f".{NAME}.{LENGTH + 1024}.part"
LONG = log_of(601, MORNING + 3_600_000, 20_000)  # 1 MB


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look soon whether the disk can be written to again."""
    monkeypatch.setattr(disk, "CHECK_INTERVAL", 0.1)


class FullDisk:
    """Lets one method of the event folder find the disk full while `full` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> None:
        self.full = True
        self.tried = 0
        for where, method in ((owner, name), (EventFolder, "check_writable")):
            monkeypatch.setattr(where, method, self._unless_full(getattr(where, method)))

    def _unless_full(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*args: Any, **kwargs: Any) -> Any:
            self._try()
            return method(*args, **kwargs)

        def steps_instead(*args: Any, **kwargs: Any) -> Any:
            self._try()
            return (yield from method(*args, **kwargs))

        return steps_instead if inspect.isgeneratorfunction(method) else instead

    def _try(self) -> None:
        if self.full:
            self.tried += 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("owner", "method"),
    [
        (PartialTrack, "open"),
        (PartialTrack, "write"),
        (PartialTrack, "finish"),
        (PartialTrack, "committing"),
        (Ledger, "saving"),
        (EventFolder, "storing_answer"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
@on_the_reactor
async def test_downloads_pause_while_the_disk_is_full(
    event: RealEvent, monkeypatch: pytest.MonkeyPatch, owner: type, method: str
) -> None:
    device = event.device(601, LOG)
    full = FullDisk(monkeypatch, owner, method)
    await event.begin()
    await event.until("must stay connected - tracks can't be stored: No space left on device, retry 2 in ")
    assert len(event.said("CRITICAL Downloads pause: No space left on device")) == 1
    assert not event.said("can be disconnected")
    assert not event.said(" failed - ")
    asked = device.asked.count(LOG.path)
    assert asked <= 1
    full.full = False
    await event.until("WARN Downloads resume: the disk is writable again")
    await event.until("motion-601 can be disconnected")
    assert event.contents() == [LOG.content]
    assert len(event.said("CRITICAL")) == 1
    assert not event.partials()


@on_the_reactor
async def test_a_ledger_that_could_not_be_saved_is_saved_before_the_verdict(
    event: RealEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The track is at its final name, and the disk full when that is to be noted."""
    device = event.device(601, LOG)
    full = FullDisk(monkeypatch, Ledger, "saving")
    full.full = False
    device.when_asked(LOG.path, lambda: setattr(full, "full", True))
    await event.begin()
    await event.until("tracks can't be stored: No space left on device")
    assert event.contents() == [LOG.content]
    full.full = False
    await event.until("motion-601 can be disconnected")
    assert event.ledger(601)[NAME]["status"] == "completed"


@on_the_reactor
async def test_a_disk_that_is_full_for_one_device_is_no_fault_of_the_others(
    event: RealEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    for identifier in (601, 602, 603):
        event.device(identifier, log_of(identifier))
    full = FullDisk(monkeypatch, PartialTrack, "write")
    await event.begin()
    for identifier in (601, 602, 603):
        await event.until(f"motion-{identifier} must stay connected - tracks can't be stored: No space left on device")
    assert len(event.said("CRITICAL")) == 1
    full.full = False
    for identifier in (601, 602, 603):
        await event.until(f"motion-{identifier} can be disconnected")
    assert not event.said("ERROR")


@on_the_reactor
async def test_a_name_that_is_taken_by_a_folder_holds_up_its_own_device_only(event: RealEvent) -> None:
    (event.root / "gpslogs/20221017/ABC602XYZ_602_20221017_090000.oao").mkdir(parents=True)
    event.device(602, log_of(602))
    event.device(601, *(log_of(601, MORNING + hour * 3_600_000) for hour in range(6)))
    await event.begin()
    await event.until("motion-602 must stay connected - ")
    await event.until("motion-601 can be disconnected")
    assert not event.said("motion-602 can be disconnected")


@on_the_reactor
async def test_tracks_for_which_there_is_no_room_are_waited_for(
    small_disk: Callable[[str], None], event: RealEvent
) -> None:
    event.change(downloads={"disk_reserve": 0})
    logs = [log_of(identifier, MORNING, 20_000) for identifier in range(601, 605)]
    for identifier, log in zip(range(601, 605), logs, strict=True):
        event.device(identifier, log)
    await event.begin()
    await event.until("CRITICAL Downloads pause: ")  # in other words if an answer finds it full before a track does
    await event.until("must stay connected - tracks can't be stored: ")
    await event.becomes(lambda: len(event.contents()) == 3, "kept as far as there is room")
    kept = event.contents()
    assert all(content in [log.content for log in logs] for content in kept)
    small_disk("size=16m")
    for identifier in range(601, 605):
        await event.until(f"motion-{identifier} can be disconnected")
    assert event.contents() == sorted(log.content for log in logs)


@on_the_reactor
async def test_a_disk_that_fills_up_during_a_download_costs_nothing(
    small_disk: Callable[[str], None], event: RealEvent
) -> None:
    event.change(downloads={"disk_reserve": 0})
    device = event.device(601, LONG)
    filler = event.root / "gpslogs/.filler"
    device.when_asked(LONG.path, lambda: filler.write_bytes(bytes(event.folder.free() - 300_000)))
    await event.begin()
    await event.until("CRITICAL Downloads pause: only 0 MB free")
    await event.until("must stay connected - tracks can't be stored: ")
    assert not event.tracks()
    filler.unlink()
    await event.until("motion-601 can be disconnected")
    assert event.contents() == [LONG.content]


@on_the_reactor
async def test_a_disk_that_turns_read_only_is_waited_for(small_disk: Callable[[str], None], event: RealEvent) -> None:
    event.change(downloads={"disk_reserve": 0})
    event.device(601, LOG)
    await event.start()
    small_disk("ro")
    await event.arrive()
    await event.until("CRITICAL Downloads pause: Read-only file system")
    assert not event.said("can be disconnected")
    small_disk("rw")
    await event.until("WARN Downloads resume")
    await event.until("motion-601 can be disconnected")
    assert event.contents() == [LOG.content]


@on_the_reactor
async def test_a_collector_does_not_start_on_a_disk_that_it_can_not_write_to(
    small_disk: Callable[[str], None], event: RealEvent
) -> None:
    event.change(downloads={"disk_reserve": 0})
    event.device(601, LOG)
    small_disk("ro")
    with pytest.raises(OSError, match=r"Read-only file system|Permission denied"):
        await event.start()
    small_disk("rw")
    await event.collect()
    assert event.contents() == [LOG.content]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
@on_the_reactor
async def test_a_collector_does_not_start_in_a_folder_that_it_may_not_write_to(event: RealEvent) -> None:
    event.device(601, LOG)
    event.folder.root.chmod(0o555)
    try:
        with pytest.raises(PermissionError):
            await event.start()
    finally:
        event.folder.root.chmod(0o755)
    await event.collect()


EDGE = 512 + 52 * 200


@pytest.mark.parametrize(
    ("left", "resumed_at"),
    [
        (LOG.content[:EDGE], EDGE - 4096),
        (LOG.content[: EDGE + 30], EDGE - 4096),
        (LOG.content, LENGTH - 4096),
        (LOG.content[:EDGE] + bytes(5000), EDGE - 4096),
        (LOG.content[:300], None),
        (b"", None),
        (b"<html>" + bytes(9000), None),
        (track(601, fixes=500), 512 + 52 * 499 - 4096),
        (track(602), None),
    ],
    ids=["half", "in a frame", "all", "zeros behind", "no header", "nothing", "html", "longer", "of another device"],
)
@pytest.mark.parametrize("resumes", [True, False])
@on_the_reactor
async def test_what_a_killed_collector_left_is_gone_on_with_or_begun_anew(
    event: RealEvent, left: bytes, resumed_at: int | None, resumes: bool
) -> None:
    device = event.device(601, LOG)
    device.supports_range = resumes
    part = event.root / "gpslogs/20221017" / PART
    part.parent.mkdir(parents=True)
    part.write_bytes(left)
    await event.collect()
    assert event.said("INFO 1 track of earlier runs incomplete")
    assert event.contents() == [LOG.content]
    assert device.ranges == ([] if resumed_at is None else [b"bytes=%d-" % resumed_at])
    assert not event.partials()


@on_the_reactor
async def test_what_was_left_of_a_log_that_has_got_another_header_since_is_fetched_anew(event: RealEvent) -> None:
    """It was not finalised yet, and has the same size: of the new log, all but the header would be here."""
    header = read_header(LOG.content)
    not_finalised = encode_header(evolve(header, end_date=0, distance=0, bests={}))
    device = event.device(601, LOG)
    device.supports_range = True
    part = event.root / "gpslogs/20221017" / PART
    part.parent.mkdir(parents=True)
    part.write_bytes(not_finalised + LOG.content[len(not_finalised) : EDGE])
    await event.collect()
    assert event.contents() == [LOG.content]
    assert event.ledger(601)[NAME]["outcome"] == "verified"
    assert device.ranges == [b"bytes=%d-" % (EDGE - 4096)]


@on_the_reactor
async def test_a_half_written_json_of_a_killed_collector_does_no_harm(event: RealEvent) -> None:
    event.device(601, LOG)
    folder = event.folder.device_folder(601)
    folder.mkdir(parents=True)
    (folder / ".downloads.json.tmp").write_text('{"half": ')
    await event.collect()
    assert event.contents() == [LOG.content]


@pytest.mark.parametrize(
    "torn", ["", "{", '{"a.oao": {"status": "comp', "[]", '{"a.oao": 5}', "\x00\x00", "null", "[" * 100_000]
)
@on_the_reactor
async def test_a_torn_ledger_is_set_aside_and_rebuilt_from_the_tracks(event: RealEvent, torn: str) -> None:
    device = event.device(601, LOG)
    await event.collect()
    await event.stop()
    path = event.folder.device_folder(601) / "downloads.json"
    before = path.read_bytes()
    path.write_text(torn)
    now = event.now
    await event.start()
    await event.until("motion-601 can be disconnected", since=now)
    (line,) = event.said("ERROR motion-601 ledger is unreadable: kept as ", now)
    assert line.endswith("downloads.json.unusable.1, rebuilding it from the tracks")
    assert path.with_name("downloads.json.unusable.1").read_text() == torn
    assert json.loads(path.read_bytes()) == json.loads(before)
    assert device.asked.count(LOG.path) == 1


@on_the_reactor
async def test_torn_answers_of_an_earlier_run_are_replaced(event: RealEvent) -> None:
    device = event.device(601, LOG)
    folder = event.folder.device_folder(601)
    folder.mkdir(parents=True)
    for name in ("info.json", "settings.json", "logs.json"):
        (folder / name).write_text('{"half": ')
    await event.collect()
    assert json.loads((folder / "info.json").read_bytes()) == device.info
    assert json.loads((folder / "settings.json").read_bytes()) == device.settings
    assert json.loads((folder / "logs.json").read_bytes()) == {"logs": device.listing()}


def completed(event: RealEvent) -> None:
    """What the original writes of a track: no length, no digest."""
    folder = event.folder.device_folder(601)
    folder.mkdir(parents=True)
    entry = {key: LOG.entry[key] for key in ("size", "start_date", "end_date", "duration", "distance")}
    entry |= {key: LOG.entry[key] for key in ("2s_best", "10s_best", "500m_best")}
    entry |= {"motion_file": LOG.path, "local_file": f"gpslogs/20221017/{NAME}", "status": "completed"}
    (folder / "downloads.json").write_text(json.dumps({NAME: entry}))


@pytest.mark.parametrize("ledger", [True, False], ids=["in the ledger", "not in the ledger"])
@pytest.mark.parametrize(
    "there", [LOG.content[: LENGTH // 2], LOG.content[:EDGE], b"", track(602)], ids=["half", "edge", "empty", "other"]
)
@on_the_reactor
async def test_what_is_not_whole_at_a_final_name_is_fetched_and_kept_aside(
    event: RealEvent, there: bytes, ledger: bool
) -> None:
    event.device(601, LOG)
    final = event.root / "gpslogs/20221017" / NAME
    final.parent.mkdir(parents=True)
    final.write_bytes(there)
    if ledger:
        completed(event)
    await event.collect()
    assert event.tracks() == {
        f"gpslogs/20221017/{NAME}": LOG.content,
        f"gpslogs/superseded/20221017/{NAME}.1": there,
    }


@pytest.mark.parametrize("ledger", [True, False], ids=["in the ledger", "not in the ledger"])
@on_the_reactor
async def test_a_whole_track_that_is_there_is_not_fetched_again(event: RealEvent, ledger: bool) -> None:
    device = event.device(601, LOG)
    final = event.root / "gpslogs/20221017" / NAME
    final.parent.mkdir(parents=True)
    final.write_bytes(LOG.content)
    if ledger:
        completed(event)
    await event.collect()
    assert LOG.path not in device.asked
    assert event.ledger(601)[NAME]["outcome"] == "verified"


@on_the_reactor
async def test_a_track_that_is_taken_away_is_fetched_again(event: RealEvent) -> None:
    event.device(601, LOG)
    await event.collect()
    await event.stop()
    (event.root / "gpslogs/20221017" / NAME).unlink()
    now = event.now
    await event.start()
    await event.until("motion-601 can be disconnected", since=now)
    assert event.contents() == [LOG.content]


@on_the_reactor
async def test_a_damaged_track_of_an_earlier_run_is_still_told(event: RealEvent) -> None:
    fault = Fault("flipped-bit-always", 512 + 52 * 200 + 17)
    device = event.device(601, LOG)
    device.add_fault(fault, path=LOG.path)
    event.truth[LOG.path] = bytes(device.respond(b"GET", LOG.path.encode(), {}).body)
    await event.collect()
    await event.stop()
    asked, now = device.asked.count(LOG.path), event.now
    await event.start()
    await event.until(f"motion-601 can be disconnected - {NAME} is damaged: ", since=now)
    assert device.asked.count(LOG.path) == asked
