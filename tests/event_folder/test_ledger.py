from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sse_twisted.config.filing import FilingRules
from sse_twisted.config.roster import parse_roster
from sse_twisted.devices.answer_json import parse_json
from sse_twisted.devices.motion.messages import listing_of, settings_of
from sse_twisted.event_folder.ledger import (
    ENTRIES_PER_SAVE,
    MAX_UNLISTED,
    Fetched,
    Ledger,
    Resume,
    Status,
    read_entries,
)
from sse_twisted.event_folder.naming import event_tracks
from sse_twisted.event_folder.verification import Outcome
from tests.event_folder.samples import FINAL, FULL, NAME, Steps, kept, listed, sailed, watched

CONTENT, TRACK = sailed()
FETCHED = Fetched(Outcome.VERIFIED, len(CONTENT), "ab" * 32)
ORIGINAL_KEYS = {"motion_file", "local_file", "size", "start_date", "end_date", "duration", "distance"} | {
    "2s_best",
    "10s_best",
    "500m_best",
    "status",
}


@pytest.fixture
def tmp_path(tmp_path: Path) -> Path:
    """An event folder as a start prepares it: nothing else may create its upper folders."""
    for name in ("gpslogs", "motions"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "motions" / "motion-601" / "downloads.json"


def written(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def entry_of(ledger: Ledger) -> dict[str, Any]:
    assert set(ledger.entries) == {NAME}
    return ledger.entries[NAME]


def test_a_device_without_a_ledger_has_an_empty_one(path: Path) -> None:
    assert Ledger.load(path) == Ledger(path)
    assert not path.parent.exists()


@pytest.mark.parametrize("status", list(Status))
def test_a_track_is_noted_in_the_original_words(path: Path, status: Status) -> None:
    ledger = Ledger(path)
    ledger.record(TRACK, status)
    assert ledger.changed
    assert set(entry_of(ledger)) == ORIGINAL_KEYS
    assert entry_of(ledger)["status"] == status.value
    assert entry_of(ledger)["local_file"] == FINAL
    assert entry_of(ledger)["motion_file"] == TRACK.log.file
    assert {str(known) for known in Status} == {"queued", "skipped", "failed", "completed"}


def test_the_names_that_a_ledger_gives_follow_its_entries(path: Path) -> None:
    ledger = Ledger(path)
    ledger.record(TRACK, Status.QUEUED)
    (queued,) = ledger.named()
    ledger.record(TRACK, Status.COMPLETED, FETCHED)
    (completed,) = ledger.named()
    ledger.drop(TRACK.name)
    assert (queued.name, queued.completed, completed.completed) == (TRACK.name, False, True)
    assert ledger.named() == ()


def test_what_is_saved_is_loaded_again(path: Path) -> None:
    ledger = Ledger(path)
    ledger.record(TRACK, Status.COMPLETED, FETCHED)
    ledger.save()
    assert Ledger.load(path) == ledger
    assert Ledger.load(path).fetched(TRACK) == FETCHED
    assert list(path.parent.iterdir()) == [path]


def test_a_completed_track_says_what_it_is(path: Path) -> None:
    ledger = Ledger(path)
    damaged = Fetched(Outcome.DAMAGED, 500, "cd" * 32, "cut inside the header at byte 0")
    ledger.record(TRACK, Status.COMPLETED, damaged)
    assert set(entry_of(ledger)) == ORIGINAL_KEYS | {"outcome", "length", "sha256", "damage"}
    assert ledger.fetched(TRACK) == damaged


class TestWhetherATrackMayBeResumed:
    def test_is_kept_until_the_track_is_whole(self, path: Path) -> None:
        ledger = Ledger(path)
        ledger.record(TRACK, Status.FAILED)
        assert ledger.resume(TRACK) is Resume.ALLOWED
        assert set(entry_of(ledger)) == ORIGINAL_KEYS
        ledger.note_resume(TRACK, Resume.NEVER)
        ledger.queue(TRACK)
        ledger.record(TRACK, Status.FAILED)
        ledger.save()
        ledger = Ledger.load(path)
        assert ledger.resume(TRACK) is Resume.NEVER
        ledger.record(TRACK, Status.COMPLETED, FETCHED)
        assert ledger.resume(TRACK) is Resume.ALLOWED
        assert "resume" not in entry_of(ledger)

    def test_is_news_to_be_saved_once(self, path: Path) -> None:
        ledger = Ledger(path)
        ledger.record(TRACK, Status.FAILED)
        ledger.save()
        for resume, is_new in ((Resume.ON_TRIAL, True), (Resume.ON_TRIAL, False), (Resume.ALLOWED, True)):
            ledger.note_resume(TRACK, resume)
            assert ledger.changed is is_new
            ledger.save()
        assert set(entry_of(ledger)) == ORIGINAL_KEYS

    def test_is_said_of_one_size_of_the_log_only(self, path: Path) -> None:
        ledger = Ledger(path)
        ledger.record(TRACK, Status.FAILED)
        ledger.note_resume(TRACK, Resume.NEVER)
        assert ledger.resume(replace(TRACK, log=replace(TRACK.log, size=TRACK.log.size + 52))) is Resume.ALLOWED

    @pytest.mark.parametrize("foreign", ["often", None, 5, True])
    def test_is_not_believed_of_foreign_words(self, path: Path, foreign: object) -> None:
        ledger = Ledger(path)
        ledger.record(TRACK, Status.FAILED)
        ledger.entries[TRACK.name]["resume"] = foreign
        assert ledger.resume(TRACK) is Resume.ALLOWED


def test_only_news_are_to_be_saved(path: Path) -> None:
    ledger = Ledger(path)
    for is_new, note in (
        (True, lambda: ledger.queue(TRACK)),
        (False, lambda: ledger.queue(TRACK)),
        (True, lambda: ledger.record(TRACK, Status.FAILED)),
        (False, lambda: ledger.queue(TRACK)),
        (True, lambda: ledger.record(TRACK, Status.COMPLETED, FETCHED)),
        (False, lambda: ledger.record(TRACK, Status.COMPLETED, FETCHED)),
    ):
        note()
        assert ledger.changed is is_new
        ledger.save()
    assert Ledger.load(path) == ledger


def test_what_could_not_be_saved_is_still_to_be_saved(path: Path) -> None:
    ledger = Ledger(path)
    ledger.record(TRACK, Status.COMPLETED, FETCHED)
    for step in range(4):
        with watched(Steps(FULL, step)), pytest.raises(OSError, match="No space"):
            ledger.save()
        ledger.record(TRACK, Status.COMPLETED, FETCHED)
        assert ledger.changed
    ledger.save()
    assert not ledger.changed


def test_a_ledger_of_few_tracks_is_saved_after_each(path: Path) -> None:
    ledger = Ledger(path, {str(number): {} for number in range(ENTRIES_PER_SAVE - 2)})
    assert not ledger.is_due
    ledger.record(TRACK, Status.COMPLETED, FETCHED)
    assert ledger.is_due
    ledger.save()
    assert not ledger.is_due


def test_a_ledger_of_many_tracks_is_not_written_for_each_of_them(path: Path) -> None:
    ledger = Ledger(path, {str(number): {} for number in range(10 * ENTRIES_PER_SAVE)})
    due = []
    for number in range(22):
        ledger.record(replace(TRACK, filed_as=TRACK.filed_as.with_number(number + 1)), Status.COMPLETED, FETCHED)
        if ledger.is_due:
            due.append(number)
            ledger.save()
    assert due == [10, 21]


def test_a_failed_track_waits_for_its_retry(path: Path) -> None:
    ledger = Ledger(path)
    ledger.record(TRACK, Status.FAILED)
    ledger.queue(TRACK)
    assert entry_of(ledger)["status"] == "failed"


def test_a_track_that_failed_and_has_grown_is_queued_again(path: Path) -> None:
    ledger = Ledger(path)
    ledger.record(TRACK, Status.FAILED)
    _, grown = sailed(500)
    assert grown.name == TRACK.name
    ledger.queue(grown)
    assert entry_of(ledger)["status"] == "queued"


@pytest.mark.parametrize("status", [Status.QUEUED, Status.SKIPPED, Status.FAILED])
def test_only_a_completed_track_is_fetched(path: Path, status: Status) -> None:
    ledger = Ledger(path)
    ledger.record(TRACK, status, FETCHED)
    assert ledger.fetched(TRACK) is None


@pytest.mark.parametrize("changes", [{"size": 5}, {"end_date": 5}, {"file": "/logs/other.oao"}])
def test_another_log_of_the_same_name_is_not_fetched(path: Path, changes: dict[str, Any]) -> None:
    ledger = Ledger(path)
    ledger.record(TRACK, Status.COMPLETED, FETCHED)
    assert ledger.fetched(kept(msgspec.structs.replace(TRACK.log, **changes))) is None


@pytest.mark.parametrize(
    "odd",
    [
        {"length": "22284"},
        {"length": True},
        {"length": None},
        {"length": 1.5},
        {"outcome": "perfect"},
        {"outcome": None},
        {"outcome": ["verified"]},
        {"outcome": {}},
        {"status": "Completed"},
        {"status": None},
        {"size": None},
    ],
)
def test_an_entry_with_odd_words_is_not_fetched(path: Path, odd: dict[str, Any]) -> None:
    ledger = Ledger(path)
    ledger.record(TRACK, Status.COMPLETED, FETCHED)
    ledger.entries[NAME] |= odd
    ledger.save()
    assert Ledger.load(path).fetched(TRACK) is None


@pytest.mark.parametrize(
    "local_file", ["/home/pi/events/WSW/" + FINAL, "C:\\events\\WSW\\gpslogs\\20221017\\" + NAME, NAME, "", 5, None]
)
def test_where_another_machine_kept_it_does_not_matter(path: Path, local_file: object) -> None:
    ledger = Ledger(path)
    ledger.record(TRACK, Status.COMPLETED, FETCHED)
    ledger.entries[NAME]["local_file"] = local_file
    ledger.save()
    assert Ledger.load(path).fetched(TRACK) == FETCHED


def test_an_entry_of_the_original_leaves_it_to_the_file(path: Path) -> None:
    ledger = Ledger(path)
    ledger.record(TRACK, Status.COMPLETED)
    assert ledger.fetched(TRACK) is None


@pytest.mark.parametrize(
    "torn",
    [
        b"",
        b"{",
        b'{"a": {"status": "comp',
        b"\0" * 4096,
        b"\xff\xfe\xfd",
        b"[]",
        b"null",
        b'"x"',
        b"5",
        b'{"a": 5}',
        b'{"a": null}',
        b'{"a": {}, "b": []}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a": {"size": ' + b"9" * 5000 + b"}}",
        b"<html></html>",
    ],
)
def test_an_unreadable_ledger_is_quarantined_and_begun_anew(path: Path, torn: bytes) -> None:
    ledger = Ledger.load(written(path, torn))
    assert ledger.entries == {}
    assert ledger.quarantined == path.with_name("downloads.json.unusable.1")
    assert ledger.quarantined.read_bytes() == torn
    ledger.record(TRACK, Status.QUEUED)
    ledger.save()
    again = Ledger.load(path)
    assert set(again.entries) == {NAME}
    assert again.quarantined is None
    assert Ledger.load(written(path, b"{")).quarantined == path.with_name("downloads.json.unusable.2")


def test_a_folder_in_the_place_of_a_ledger_is_quarantined(path: Path) -> None:
    (path / "below").mkdir(parents=True)
    ledger = Ledger.load(path)
    assert ledger.quarantined == path.with_name("downloads.json.unusable.1")
    ledger.save()
    assert path.is_file()


@pytest.mark.parametrize("depth", [50, 500, 900])
def test_a_ledger_that_can_be_read_can_be_saved(path: Path, depth: int) -> None:
    """An entry has no lists and no objects in it: what has is not ours, and may be deeper than can be written."""
    ledger = Ledger.load(written(path, b'{"a": {"b": ' + b"[" * depth + b"]" * depth + b"}}"))
    ledger.save()
    assert ledger.quarantined is not None


def test_entries_of_other_times_stay(path: Path) -> None:
    other = {"DCS122YRD_653_20221018_113632.oao": {"status": "completed", "note": "by hand", "x": 1.5}}
    ledger = Ledger.load(written(path, json.dumps(other).encode()))
    ledger.record(TRACK, Status.QUEUED)
    ledger.save()
    assert {name: entry for name, entry in Ledger.load(path).entries.items() if name != NAME} == other


@given(st.binary(max_size=100))
def test_any_bytes_are_a_ledger_or_quarantined(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = written(tmp_path_factory.mktemp("ledger") / "downloads.json", data)
    ledger = Ledger.load(path)
    ledger.record(TRACK, Status.COMPLETED, FETCHED)
    ledger.save()
    assert Ledger.load(path).fetched(TRACK) == FETCHED
    assert ledger.quarantined is None or ledger.quarantined.read_bytes() == data


def test_the_ledgers_of_a_real_event_are_written_as_the_original_wrote_them(captures: Path, tmp_path: Path) -> None:
    event = captures / "event-2022"
    roster = parse_roster((event / "config" / "motions.csv").read_bytes())
    count = 0
    for folder in sorted((event / "motions").iterdir()):
        identifier = int(folder.name.removeprefix("motion-"))
        original = Ledger.load(folder / "downloads.json")
        assert original.quarantined is None
        settings = settings_of(parse_json((folder / "settings.json").read_bytes(), "settings.json"))
        listing = listing_of(parse_json((folder / "logs.json").read_bytes(), "logs.json"))
        ours = Ledger(tmp_path / f"{identifier}.json")
        for track in event_tracks(
            identifier, listing, FilingRules(roster.of(identifier), roster.days, 1.0, settings.timezone)
        ):
            status = Status(original.entries[track.name]["status"])
            fetched = Fetched(Outcome.VERIFIED, track.log.length, "") if status is Status.COMPLETED else None
            ours.record(track, status, fetched)
            assert original.fetched(track) is None
        ours.save()
        saved = json.loads(ours.path.read_bytes())
        assert {name: {key: entry[key] for key in ORIGINAL_KEYS} for name, entry in saved.items()} == original.entries
        count += len(saved)
    assert count == 92


def test_a_track_with_a_name_of_half_a_character_can_be_noted(path: Path) -> None:
    ledger = Ledger(path)
    ledger.record(kept(listed(CONTENT, "/logs/\ud800.oao")), Status.FAILED)
    ledger.save()
    assert entry_of(Ledger.load(path))["motion_file"] == "/logs/?.oao"


@pytest.mark.parametrize("half", [b"\\uD800", b"\xed\xa0\x80"])
@pytest.mark.parametrize("key", ["motion_file", "size", "local_file", "status"])
def test_half_a_character_in_an_entry_hides_no_other_entry(path: Path, half: bytes, key: str) -> None:
    ledger = Ledger(path)
    ledger.record(TRACK, Status.COMPLETED, FETCHED)
    ledger.entries["OTHER_602_20221017_090000.oao"] = entry_of(ledger) | {key: "?"}
    ledger.save()
    written(path, path.read_bytes().replace(b'"?"', b'"%s"' % half))
    assert NAME in [known.name for known in Ledger.load(path).named()]


@pytest.mark.parametrize("torn", [b"", b'{"half', b"[]", b"\xff", b"null", b"[" * 100_000])
def test_reading_only_finds_no_entry_in_a_torn_ledger_and_leaves_it(path: Path, torn: bytes) -> None:
    assert read_entries(path) == {}
    written(path, torn)
    assert read_entries(path) == {}
    assert path.read_bytes() == torn


def test_reading_only_finds_the_valid_entries(path: Path) -> None:
    written(path, b'{"a.oao": {"status": "completed"}, "b.oao": 5, "c.oao": {"size": []}}')
    assert read_entries(path) == {"a.oao": {"status": "completed"}}


def test_entries_of_tracks_that_are_neither_here_nor_listed_are_bounded(path: Path) -> None:
    ledger = Ledger(path)
    for number in range(MAX_UNLISTED + 700):
        status = Status.COMPLETED if number < 100 else Status.QUEUED
        ledger.entries[f"{number}.oao"] = {"motion_file": f"/{number}.oao", "status": str(status)}
    ledger.shorten({f"{number}.oao" for number in range(100, 200)})
    assert len(ledger.entries) == MAX_UNLISTED + 200
    assert list(ledger.entries)[:201] == [f"{number}.oao" for number in (*range(200), 700)]
    assert ledger.changed


def test_a_ledger_within_the_bound_is_left_as_it_is(path: Path) -> None:
    ledger = Ledger(path, {"a.oao": {"status": "queued"}})
    ledger.shorten(())
    assert list(ledger.entries) == ["a.oao"]
    assert not ledger.changed
