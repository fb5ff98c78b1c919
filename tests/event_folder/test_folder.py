from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.ledger import Fetched, Ledger, Status
from sse_twisted.event_folder.partial import PartialTrack
from sse_twisted.event_folder.verification import Outcome
from sse_twisted.runtime.group_sync import at_once
from sse_twisted.runtime.text import json_bytes
from tests.event_folder.samples import FINAL, FULL, NAME, Steps, hidden, kept, listed, sailed, watched
from tests.support.event import MORNING, track

CONTENT, TRACK = sailed()
GROWN, GROWN_TRACK = sailed(900)
WHOLE = Fetched(Outcome.VERIFIED, len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def folder(tmp_path: Path) -> EventFolder:
    folder = EventFolder(tmp_path / "event")
    folder.prepare()
    return folder


def at_its_final_name(folder: EventFolder, content: bytes) -> Path:
    path = folder.root / FINAL
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def noted(folder: EventFolder, status: Status = Status.COMPLETED, fetched: Fetched | None = WHOLE) -> Ledger:
    ledger = folder.ledger(601)
    ledger.record(TRACK, status, fetched)
    return ledger


def test_it_is_laid_out_as_the_original_lays_it_out(folder: EventFolder) -> None:
    root = folder.root
    assert folder.roster == root / "config" / "motions.csv"
    assert folder.logs == root / "logs"
    assert folder.device_folder(601) == root / "motions" / "motion-601"
    assert sorted(path.name for path in root.iterdir()) == [".sse_twisted", "config", "gpslogs", "logs", "motions"]
    folder.prepare()


def test_answers_are_kept_beside_the_ledger(folder: EventFolder) -> None:
    for name in ("info.json", "settings.json", "logs.json"):
        at_once(folder.storing_answer(601, name, json_bytes({"of": name})))
        assert json.loads((folder.device_folder(601) / name).read_bytes()) == {"of": name}
    assert folder.ledger(601).path == folder.device_folder(601) / "downloads.json"
    assert folder.ledger(601).entries == {}


def test_the_first_answer_of_a_device_is_not_newer_than_those_that_follow(folder: EventFolder) -> None:
    """Its folder is not on disk yet when the others are written."""
    identity = folder.storing_answer(601, "info.json", b"{}")
    next(identity)
    time.sleep(0.01)  # files have times in steps of a few ms
    at_once(folder.storing_answer(601, "logs.json", b"{}"))
    with contextlib.suppress(StopIteration):
        while True:
            next(identity)
    assert 0 < folder.stamps(601).info[0] <= folder.stamps(601).listing[0]


def test_a_new_folder_that_did_not_reach_the_disk_is_new_again(folder: EventFolder) -> None:
    for _ in range(2):
        storing = folder.storing_answer(601, "info.json", b"{}")
        assert len(next(storing)) == 2
        with pytest.raises(OSError, match="Input/output error"):
            storing.throw(OSError(5, "Input/output error"))
        assert not folder.device_folder(601).exists()


def test_a_file_has_its_name_only_when_its_new_folder_is_on_disk(folder: EventFolder) -> None:
    storing = folder.storing_answer(601, "info.json", b"{}")
    due, motions = [os.fstat(each) for each in next(storing)], (folder.root / "motions").stat()
    assert [os.path.samestat(each, motions) for each in due] == [False, True]
    assert not (folder.device_folder(601) / "info.json").exists()


def test_a_device_whose_folder_is_closed_hides_no_other(folder: EventFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    for identifier in (601, 602):
        at_once(folder.storing_answer(identifier, "downloads.json", b"{}"))
    stat = os.stat

    def closed(path: Any, *args: Any, **kwargs: Any) -> os.stat_result:
        if "motion-601" in os.fspath(path):
            raise PermissionError(13, "Permission denied", path)
        return stat(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", closed)
    assert folder.identifiers() == [602]


def test_a_folder_that_is_no_folder_is_found_before_the_day(tmp_path: Path) -> None:
    (tmp_path / "gpslogs").touch()
    with pytest.raises(OSError, match="exists"):
        EventFolder(tmp_path).prepare()


def test_a_folder_that_can_not_be_written_to_is_found_before_the_day(
    folder: EventFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode, **_: Path(path).name != "gpslogs")
    with pytest.raises(PermissionError, match="gpslogs"):
        folder.prepare()


def test_whether_it_can_be_written_to_is_tried(folder: EventFolder) -> None:
    folder.check_writable()
    for step in range(3):
        with watched(Steps(FULL, step)), pytest.raises(OSError, match="No space"):
            folder.check_writable()
    assert list((folder.root / "gpslogs").iterdir()) == []


def test_room_is_counted_in_bytes(folder: EventFolder) -> None:
    assert folder.free() > 0


def test_what_an_earlier_run_left_is_found(folder: EventFolder) -> None:
    assert folder.partials.found() == []
    later = track(601, MORNING + 3_600_000)
    for kept_as, content in ((TRACK, CONTENT), (kept(listed(later)), later)):
        partial = PartialTrack(folder.partials, kept_as)
        partial.open()
        partial.write(content)
        partial.close()
    assert len(folder.partials.found()) == 2
    assert [path.name for path in folder.partials.found()] == hidden(folder.root)


class TestStored:
    def test_is_what_is_in_the_ledger_and_on_the_disk(self, folder: EventFolder) -> None:
        at_its_final_name(folder, CONTENT)
        assert folder.stored(TRACK, noted(folder)) == WHOLE

    def test_is_nothing_that_is_in_the_ledger_only(self, folder: EventFolder) -> None:
        assert folder.stored(TRACK, noted(folder)) is None
        at_its_final_name(folder, CONTENT).unlink()
        assert folder.stored(TRACK, noted(folder)) is None

    @pytest.mark.parametrize("content", [b"", CONTENT[:-52], CONTENT + b"\0", CONTENT[:512]])
    def test_is_nothing_of_another_length(self, folder: EventFolder, content: bytes) -> None:
        at_its_final_name(folder, content)
        assert folder.stored(TRACK, noted(folder)) is None

    def test_is_nothing_under_a_hidden_name(self, folder: EventFolder) -> None:
        partial = PartialTrack(folder.partials, TRACK)
        partial.open()
        partial.write(CONTENT)
        partial.close()
        assert folder.stored(TRACK, noted(folder)) is None

    def test_is_no_folder_and_no_dead_link(self, folder: EventFolder) -> None:
        path = at_its_final_name(folder, CONTENT)
        path.unlink()
        path.symlink_to(folder.root / "none")
        assert folder.stored(TRACK, noted(folder)) is None
        path.unlink()
        path.mkdir()
        assert folder.stored(TRACK, noted(folder)) is None

    @pytest.mark.parametrize(
        ("status", "fetched"),
        [(Status.COMPLETED, None), (Status.FAILED, None), (Status.QUEUED, None), (Status.SKIPPED, None)],
    )
    def test_is_a_whole_file_that_the_ledger_does_not_know_as_ours(
        self, folder: EventFolder, status: Status, fetched: Fetched | None
    ) -> None:
        at_its_final_name(folder, CONTENT)
        assert folder.stored(TRACK, noted(folder, status, fetched)) == WHOLE
        assert folder.stored(TRACK, folder.ledger(601)) == WHOLE

    @pytest.mark.parametrize(
        "content",
        [b"", CONTENT[:-1], CONTENT[:-52], CONTENT[:512], CONTENT[52:], GROWN, b"<html>".ljust(len(CONTENT)), bytes(9)],
    )
    def test_is_no_half_file_that_the_original_took_for_complete(self, folder: EventFolder, content: bytes) -> None:
        at_its_final_name(folder, content)
        assert folder.stored(TRACK, noted(folder, Status.COMPLETED, None)) is None
        assert folder.stored(TRACK, folder.ledger(601)) is None

    def test_is_no_file_with_a_flipped_bit_that_the_ledger_does_not_know(self, folder: EventFolder) -> None:
        flipped = bytearray(CONTENT)
        flipped[9000] ^= 1
        at_its_final_name(folder, bytes(flipped))
        assert folder.stored(TRACK, folder.ledger(601)) is None

    def test_is_no_track_that_has_grown_since(self, folder: EventFolder) -> None:
        at_its_final_name(folder, CONTENT)
        ledger = noted(folder)
        assert GROWN_TRACK.local_file == TRACK.local_file
        assert folder.stored(GROWN_TRACK, ledger) is None
        assert folder.stored(TRACK, ledger) == WHOLE

    def test_is_what_the_device_itself_holds_damaged(self, folder: EventFolder) -> None:
        at_its_final_name(folder, CONTENT[:-7])
        damaged = Fetched(Outcome.DAMAGED, len(CONTENT) - 7, "ab" * 32, "cut inside a frame at byte 21,208")
        assert folder.stored(TRACK, noted(folder, Status.COMPLETED, damaged)) == damaged

    def test_is_no_short_file_that_a_ledger_calls_verified(self, folder: EventFolder) -> None:
        """A verified track has the length that is listed, whatever the ledger says."""
        at_its_final_name(folder, CONTENT[:-52])
        wrong = Fetched(Outcome.VERIFIED, len(CONTENT) - 52, "ab" * 32)
        assert folder.stored(TRACK, noted(folder, Status.COMPLETED, wrong)) is None

    def test_is_synced_even_if_another_program_wrote_it(
        self, folder: EventFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Copied by hand, or by a collector that was killed before it could bring the new name to the disk."""
        path = at_its_final_name(folder, CONTENT)
        synced: set[int] = set()
        monkeypatch.setattr(os, "fsync", lambda descriptor: synced.add(os.fstat(descriptor).st_ino))
        assert folder.stored(TRACK, folder.ledger(601)) == WHOLE
        assert synced == {path.stat().st_ino, path.parent.stat().st_ino}

    @pytest.mark.parametrize("place", ["/home/pi/events/WSW/" + FINAL, "C:\\events\\gpslogs\\20221017\\" + NAME])
    def test_is_a_track_that_another_machine_wrote_down(self, folder: EventFolder, place: str) -> None:
        at_its_final_name(folder, CONTENT)
        for fetched in (None, WHOLE):
            ledger = noted(folder, Status.COMPLETED, fetched)
            ledger.entries[NAME]["local_file"] = place
            assert folder.stored(TRACK, ledger) == WHOLE


def test_the_state_file_survives_a_power_cut_even_if_another_program_created_its_folder(
    folder: EventFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[int] = set()
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.add(os.fstat(descriptor).st_ino))
    at_once(folder.saving_state(b"{}"))
    assert synced == {path.stat().st_ino for path in (folder.root, folder.state, folder.state_file)}


def test_a_track_of_a_real_event_is_adopted_from_the_originals_folder(captures: Path, folder: EventFolder) -> None:
    event = captures / "event-2022" / "motions" / "motion-641"
    original = json.loads((event / "downloads.json").read_bytes())
    name, entry = next((name, e) for name, e in original.items() if e["motion_file"].endswith("_2022-10-18-1309.oao"))
    logs: list[dict[str, Any]] = json.loads((event / "logs.json").read_bytes())["logs"]
    figures = next(log for log in logs if log["file"] == entry["motion_file"])
    content = (captures / "tracks" / "641_2022-10-18-1309.oao").read_bytes()
    track = kept(listed(content, **figures))
    assert name.endswith(track.name[track.name.index("_601") + 4 :])
    path = folder.root / track.local_file
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    stored = folder.stored(replace(track, identifier=641), folder.ledger(641))
    assert stored == Fetched(Outcome.VERIFIED, entry["size"] - 1024, hashlib.sha256(content).hexdigest())


class TestIsStored:
    """Whether a track is completed and there, by its entry of a ledger."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> EventFolder:
        track = tmp_path / FINAL
        track.parent.mkdir(parents=True)
        track.write_bytes(b"x" * 5000)
        return EventFolder(tmp_path)

    @pytest.mark.parametrize(
        ("entry", "holds"),
        [
            ({"local_file": FINAL, "length": 5000, "size": 9, "status": "completed"}, True),
            ({"local_file": FINAL, "length": 5001, "size": 6024, "status": "completed"}, False),
            ({"local_file": FINAL, "length": 5000, "status": "queued"}, False),
            ({"local_file": f"{FINAL}x", "length": 5000, "status": "completed"}, False),
            ({"local_file": "C:\\events", "size": 6024, "end_date": 5, "status": "completed"}, True),
            ({"local_file": "C:\\events", "size": 6022, "end_date": 5, "status": "completed"}, True),
            ({"local_file": "C:\\events", "size": 7000, "end_date": 5, "status": "completed"}, False),
            ({"size": 8192, "end_date": 0, "status": "completed"}, True),
            ({"local_file": "gpslogs/\0", "length": 5000, "status": "completed"}, False),
            ({}, False),
        ],
    )
    def test_is_a_matter_of_status_place_and_length(
        self, folder: EventFolder, entry: dict[str, object], holds: bool
    ) -> None:
        assert folder.is_stored(601, NAME, entry) is holds

    def test_a_folder_in_its_place_is_none(self, folder: EventFolder) -> None:
        (folder.root / FINAL).unlink()
        (folder.root / FINAL).mkdir()
        entry = {"local_file": FINAL, "length": (folder.root / FINAL).stat().st_size, "status": "completed"}
        assert not folder.is_stored(601, NAME, entry)
