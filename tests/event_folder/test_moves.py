from __future__ import annotations

import datetime
import json
import os
import shutil
from collections.abc import Iterator
from functools import partial, partialmethod
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sse_twisted.config.filing import FilingRules
from sse_twisted.config.roster import Assignment
from sse_twisted.devices.driver import ListedTrack, Listing
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.ledger import Fetched, Ledger, Status
from sse_twisted.event_folder.moves import Left, Move, Step, may_be_outdated, refile
from sse_twisted.event_folder.naming import EventTrack, all_tracks, event_tracks
from sse_twisted.event_folder.partial import examine
from sse_twisted.event_folder.partial_files import partial_path
from sse_twisted.event_folder.verification import Outcome
from tests.event_folder.samples import FINAL, FIRST, FOLDER, LAST, NAME, OWNER, failing_at_each_step, hidden, listed
from tests.support.event import MORNING, track

HOUR = 3_600_000
OTHER = evolve(OWNER, file_id="NEW9", sailor="Other Sailor")
NEW = "NEW9_601_20221017_090000.oao"
NEW_FINAL = f"{FOLDER}/{NEW}"
UNASSIGNED = "gpslogs/unassigned/20221017/motion-601_20221017_090000.oao"
CONTENT = track(601)
LOG = listed(CONTENT)
GROWN = track(601, MORNING, 900)
OURS = frozenset({"outcome", "length", "sha256", "damage"})


def claims_of(*assignments: Assignment, timezone: int | None = 60, last: datetime.date = LAST) -> FilingRules:
    return FilingRules(assignments, (FIRST, last), 1.0, timezone)


BEFORE, AFTER = claims_of(OWNER), claims_of(OTHER)


@pytest.fixture
def folder(tmp_path: Path) -> EventFolder:
    folder = EventFolder(tmp_path)
    folder.prepare()
    return folder


def tracks_of(*logs: ListedTrack, rules: FilingRules = BEFORE) -> tuple[EventTrack, ...]:
    return event_tracks(601, Listing(logs), rules)


def collected(folder: EventFolder, *contents: bytes, rules: FilingRules = BEFORE, original: bool = False) -> Listing:
    """Collect these tracks into the folder and return their listing."""
    listing = Listing(tuple(listed(content, f"/logs/{number}.oao") for number, content in enumerate(contents)))
    ledger = folder.ledger(601)
    for one, content in zip(event_tracks(601, listing, rules), contents, strict=True):
        put(folder, one.local_file, content)
        received = examine(folder.root / one.local_file)
        fetched = Fetched(Outcome.VERIFIED, received.integrity.length, received.sha256)
        ledger.record(one, Status.COMPLETED, None if original else fetched)
    ledger.save()
    return listing


def put(folder: EventFolder, local_file: str, content: bytes) -> Path:
    path = folder.root / local_file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def refiled(folder: EventFolder, rules: FilingRules = AFTER, listing: Listing | None = None) -> list[Step]:
    """What a look does, and what of it is on the disk."""
    ledger = folder.ledger(601)
    steps = [*refile(folder, 601, listing or Listing(), rules, ledger)]
    assert folder.ledger(601).entries == ledger.entries
    return steps


def names_of(steps: list[Step]) -> list[tuple[str, str]]:
    return [(step.old, step.track.name) for step in steps if isinstance(step, Move)]


def files(folder: EventFolder) -> dict[str, bytes]:
    paths = sorted(path for path in folder.root.glob("gpslogs/**/*") if path.is_file())
    return {str(path.relative_to(folder.root)): path.read_bytes() for path in paths}


def ledger_of(folder: EventFolder) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads((folder.device_folder(601) / "downloads.json").read_bytes())
    return tree


class TestATrackOfAnotherSailor:
    def test_is_moved_in_the_folder_and_in_the_ledger(self, folder: EventFolder) -> None:
        collected(folder, CONTENT)
        before = ledger_of(folder)[NAME]
        (step,) = refiled(folder)
        assert isinstance(step, Move)
        assert (step.old, step.track.name, step.track.owner, step.superseded) == (NAME, NEW, OTHER, False)
        assert files(folder) == {NEW_FINAL: CONTENT}
        assert ledger_of(folder) == {NEW: before | {"local_file": NEW_FINAL}}
        assert refiled(folder) == []

    def test_counts_under_its_new_name(self, folder: EventFolder) -> None:
        listing = collected(folder, CONTENT)
        refiled(folder, AFTER, listing)
        (new,) = event_tracks(601, listing, AFTER, folder.ledger(601).named())
        assert folder.stored(new, folder.ledger(601)) is not None

    def test_of_the_original_s_is_on_the_disk_before_it_counts(
        self, folder: EventFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        collected(folder, CONTENT, original=True)
        synced: set[int] = set()
        monkeypatch.setattr(os, "fsync", lambda descriptor: synced.add(os.fstat(descriptor).st_ino))
        refiled(folder)
        assert (folder.root / NEW_FINAL).stat().st_ino in synced

    def test_keeps_its_place_among_the_entries_and_the_others_theirs(self, folder: EventFolder) -> None:
        later = track(601, MORNING + 24 * HOUR)
        collected(folder, CONTENT, later)
        first_day = evolve(OTHER, last_day=datetime.date(2022, 10, 17))
        refiled(folder, claims_of(first_day, OWNER))
        assert list(ledger_of(folder)) == [NEW, "ABC601XYZ_601_20221018_090000.oao"]

    def test_goes_to_unassigned_without_an_owner_and_back(self, folder: EventFolder) -> None:
        collected(folder, CONTENT)
        assert len(refiled(folder, claims_of())) == 1
        assert files(folder) == {UNASSIGNED: CONTENT}
        assert ledger_of(folder)["motion-601_20221017_090000.oao"]["local_file"] == UNASSIGNED
        assert len(refiled(folder, BEFORE)) == 1
        assert files(folder) == {FINAL: CONTENT}

    def test_stays_when_its_day_is_not_the_events_any_more(self, folder: EventFolder) -> None:
        collected(folder, CONTENT)
        before = ledger_of(folder)
        steps = refiled(folder, claims_of(last=datetime.date(2022, 10, 16)))
        assert steps == [Left(NAME, "its day is no longer one of the event")]
        assert (files(folder), ledger_of(folder)) == ({FINAL: CONTENT}, before)

    def test_stays_while_there_is_no_roster(self, folder: EventFolder) -> None:
        collected(folder, CONTENT)
        assert refiled(folder, replace(claims_of(), with_roster=False)) == []
        assert files(folder) == {FINAL: CONTENT}

    def test_that_has_grown_takes_the_old_bytes_along(self, folder: EventFolder) -> None:
        collected(folder, CONTENT)
        grown = Listing((listed(GROWN, "/logs/0.oao"),))
        assert names_of(refiled(folder, AFTER, grown)) == [(NAME, NEW)]
        assert files(folder) == {NEW_FINAL: CONTENT}
        assert ledger_of(folder)[NEW]["size"] == LOG.size
        (new,) = event_tracks(601, grown, AFTER)
        assert folder.stored(new, folder.ledger(601)) is None

    def test_that_the_device_holds_damaged_is_moved_with_its_remark(self, folder: EventFolder) -> None:
        collected(folder, CONTENT)
        damaged = CONTENT[:-7]
        put(folder, FINAL, damaged)
        ledger = folder.ledger(601)
        received = examine(folder.root / FINAL)
        ledger.record(tracks_of(listed(CONTENT, "/logs/0.oao"))[0], Status.COMPLETED, outcome(received.sha256, damaged))
        ledger.save()
        refiled(folder)
        assert files(folder) == {NEW_FINAL: damaged}
        assert ledger_of(folder)[NEW]["damage"] == "cut inside a frame at byte 21,208"

    def test_is_found_by_its_name_whatever_machine_wrote_its_path(self, folder: EventFolder) -> None:
        for path in (f"/home/pi/events/{FINAL}", "C:\\events\\gpslogs\\20221017\\" + NAME):
            shutil.rmtree(folder.root / "gpslogs")
            collected(folder, CONTENT)
            ledger = folder.ledger(601)
            ledger.entries[NAME]["local_file"] = path
            ledger.save()
            assert names_of(refiled(folder)) == [(NAME, NEW)]
            assert files(folder) == {NEW_FINAL: CONTENT}
            ledger.path.unlink()

    @pytest.mark.parametrize("file_id", ["DE 101XYZ", "É.V.+1", "BUOY_621"])
    def test_is_found_by_its_name_whatever_file_id_the_original_put_into_it(
        self, folder: EventFolder, file_id: str
    ) -> None:
        collected(folder, CONTENT, original=True)
        name = f"{file_id}_601_20221017_090000.oao"
        (folder.root / FINAL).rename(folder.root / FOLDER / name)
        ledger = folder.ledger(601)
        ledger.entries = {name: ledger.entries[NAME] | {"local_file": f"{FOLDER}/{name}"}}
        ledger.save()
        assert names_of(refiled(folder)) == [(name, NEW)]
        assert files(folder) == {NEW_FINAL: CONTENT}

    @pytest.mark.parametrize(
        "path",
        ["", "../" + NAME, f"gpslogs/../{NAME}", "gpslogs/20221017/../../x.oao", f"{FOLDER}/x.oao", f"{FOLDER}/\0"],
    )
    def test_is_not_looked_for_elsewhere(self, folder: EventFolder, path: str) -> None:
        collected(folder, CONTENT)
        ledger = folder.ledger(601)
        ledger.entries[NAME]["local_file"] = path
        ledger.save()
        assert refiled(folder) == [Left(NAME, "its file is missing")]
        assert files(folder) == {FINAL: CONTENT}


@pytest.fixture
def without_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `Path` find files as macOS and Windows do: whatever the case of their names."""

    def existing(path: Path) -> Path:
        if not path.parent.is_dir():
            return path
        entries = {entry.name.casefold(): entry.name for entry in path.parent.iterdir()}
        return path.with_name(entries.get(path.name.casefold(), path.name)) if path.name else path

    for name in ("open", "unlink", "rename"):
        real = getattr(Path, name)
        method = partial(lambda real, path, *args, **options: real(existing(path), *args, **options), real)
        monkeypatch.setattr(Path, name, partialmethod(lambda path, method, *a, **o: method(path, *a, **o), method))

    def status(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        try:
            return os.stat(path, follow_symlinks=follow_symlinks)  # noqa: PTH116 - it is what Path.stat calls
        except FileNotFoundError:
            return os.stat(existing(path), follow_symlinks=follow_symlinks)  # noqa: PTH116

    monkeypatch.setattr(Path, "stat", status)


@pytest.mark.usefixtures("without_case")
@pytest.mark.parametrize("original", [False, True])
def test_a_file_id_that_gets_another_case_loses_no_track_where_case_does_not_count(
    folder: EventFolder, original: bool
) -> None:
    collected(folder, CONTENT, original=original)
    respelled = OWNER.file_id.swapcase()
    name = NAME.replace(OWNER.file_id, respelled)
    assert names_of(refiled(folder, claims_of(evolve(OWNER, file_id=respelled)))) == [(NAME, name)]
    assert files(folder) == {f"{FOLDER}/{name}": CONTENT}


def outcome(sha256: str, content: bytes) -> Fetched:
    return Fetched(Outcome.DAMAGED, len(content), sha256, "cut inside a frame at byte 21,208")


class TestWhatIsNotWhole:
    def test_is_not_moved_if_it_has_another_length_than_the_ledger_says(self, folder: EventFolder) -> None:
        collected(folder, CONTENT)
        put(folder, FINAL, CONTENT[:-52])
        assert refiled(folder) == [Left(NAME, "its file has another length")]
        assert files(folder) == {FINAL: CONTENT[:-52]}
        assert list(ledger_of(folder)) == [NAME]

    def test_of_the_original_is_examined_first(self, folder: EventFolder) -> None:
        collected(folder, CONTENT, original=True)
        put(folder, FINAL, CONTENT[:-52])
        assert refiled(folder) == [Left(NAME, "its file is incomplete")]
        put(folder, FINAL, CONTENT)
        assert names_of(refiled(folder)) == [(NAME, NEW)]
        assert ledger_of(folder)[NEW]["outcome"] == "verified"

    def test_is_no_file_is_left(self, folder: EventFolder) -> None:
        collected(folder, CONTENT)
        (folder.root / FINAL).unlink()
        assert refiled(folder) == [Left(NAME, "its file is missing")]
        (folder.root / FINAL).symlink_to("elsewhere")
        assert refiled(folder) == [Left(NAME, "its file is missing")]

    def test_is_kept_aside_once_the_track_is_here(self, folder: EventFolder) -> None:
        listing = collected(folder, CONTENT, original=True)
        put(folder, FINAL, CONTENT[:-52])
        put(folder, NEW_FINAL, CONTENT)
        (step,) = refiled(folder, AFTER, listing)
        assert isinstance(step, Move)
        assert step.superseded
        assert files(folder) == {NEW_FINAL: CONTENT, f"gpslogs/superseded/20221017/{NAME}.1": CONTENT[:-52]}
        assert list(ledger_of(folder)) == [NEW]


class TestTheNewName:
    def test_that_another_file_has_is_taken_and_the_other_file_kept(self, folder: EventFolder) -> None:
        collected(folder, CONTENT)
        put(folder, NEW_FINAL, b"something else")
        (step,) = refiled(folder)
        assert isinstance(step, Move)
        assert step.superseded
        assert files(folder) == {NEW_FINAL: CONTENT, f"gpslogs/superseded/20221017/{NEW}.1": b"something else"}

    def test_that_the_same_bytes_have_is_not_two_files_afterwards(self, folder: EventFolder) -> None:
        for original in (True, False):
            collected(folder, CONTENT, original=original)
            put(folder, NEW_FINAL, CONTENT)
            assert names_of(refiled(folder)) == [(NAME, NEW)]
            assert files(folder) == {NEW_FINAL: CONTENT}
            assert list(ledger_of(folder)) == [NEW]

    def test_that_is_another_name_of_the_same_file_stays_the_only_one(self, folder: EventFolder) -> None:
        damaged = CONTENT[:-7]
        collected(folder, CONTENT)
        ledger = folder.ledger(601)
        path = put(folder, FINAL, damaged)
        ledger.record(tracks_of(listed(CONTENT, "/logs/0.oao"))[0], Status.COMPLETED, outcome("", damaged))
        ledger.save()
        (folder.root / NEW_FINAL).hardlink_to(path)
        assert names_of(refiled(folder)) == [(NAME, NEW)]
        assert files(folder) == {NEW_FINAL: damaged}

    def test_that_a_person_corrected_goes_into_the_ledger(self, folder: EventFolder) -> None:
        collected(folder, CONTENT)
        (folder.root / FINAL).rename(folder.root / NEW_FINAL)
        assert names_of(refiled(folder)) == [(NAME, NEW)]
        assert list(ledger_of(folder)) == [NEW]

    def test_that_other_bytes_have_is_not_taken_for_the_track_that_is_away(self, folder: EventFolder) -> None:
        collected(folder, CONTENT)
        (folder.root / FINAL).unlink()
        put(folder, NEW_FINAL, CONTENT[:-52] + bytes(52))
        assert refiled(folder) == [Left(NAME, "its file is missing")]

    def test_is_given_once_if_the_track_was_fetched_under_two(self, folder: EventFolder) -> None:
        collected(folder, CONTENT)
        ledger = folder.ledger(601)
        second = ledger.entries[NAME] | {"local_file": f"{FOLDER}/MID_601_20221017_090000.oao"}
        ledger.entries["MID_601_20221017_090000.oao"] = second
        ledger.save()
        put(folder, second["local_file"], CONTENT)
        assert len(refiled(folder)) == 2
        assert files(folder) == {NEW_FINAL: CONTENT}
        assert list(ledger_of(folder)) == [NEW]


class TestATimeZone:
    def test_that_is_corrected_moves_each_track_to_its_hour(self, folder: EventFolder) -> None:
        """The new name of each but the last is the old one of the next."""
        contents = [track(601, MORNING + hour * HOUR, 200 + hour) for hour in range(14, 17)]
        for minutes in (120, 0, 60):
            collected(folder, *contents)
            refiled(folder, claims_of(OWNER, timezone=minutes))
            expected = tracks_of(*(listed(content) for content in contents), rules=claims_of(OWNER, timezone=minutes))
            assert files(folder) == {one.local_file: content for one, content in zip(expected, contents, strict=True)}
            assert set(ledger_of(folder)) == {one.name for one in expected}
            shutil.rmtree(folder.root / "gpslogs")
            (folder.device_folder(601) / "downloads.json").unlink()

    def test_that_is_unknown_is_that_of_the_name(self, folder: EventFolder) -> None:
        collected(folder, CONTENT, rules=claims_of(OWNER, timezone=-120))
        old = "ABC601XYZ_601_20221017_060000.oao"
        assert names_of(refiled(folder, claims_of(OTHER, timezone=None))) == [(old, "NEW9_601_20221017_060000.oao")]

    def test_of_each_log_can_make_a_ring_of_names(self, folder: EventFolder) -> None:
        contents, logs = ring(folder)
        there = {Path(local_file).name: content for local_file, content in files(folder).items()}
        steps = refiled(folder, claims_of(OWNER, timezone=None), Listing(tuple(logs)))
        for old, new in names_of(steps):
            assert new not in there
            there[new] = there.pop(old)
        assert there == {Path(local_file).name: content for local_file, content in files(folder).items()}
        names = [f"{FOLDER}/ABC601XYZ_601_20221017_{stamp}.oao" for stamp in ("100000", "110000", "090000")]
        assert files(folder) == dict(sorted(zip(names, contents, strict=True)))
        assert {entry["local_file"] for entry in ledger_of(folder).values()} == set(names)
        assert len(ledger_of(folder)) == 3

    def test_that_is_free_for_a_moment_is_neither_of_a_file_nor_of_an_entry(self, folder: EventFolder) -> None:
        contents, logs = ring(folder)
        ledger = folder.ledger(601)
        strays = {f"{FOLDER}/{name}".replace(".oao", "-2.oao"): b"stray" for name in ledger.entries}
        for local_file, content in strays.items():
            put(folder, local_file, content)
        for name in list(ledger.entries):
            ledger.entries[name.replace(".oao", "-3.oao")] = {"status": "queued"}
        ledger.save()
        refiled(folder, claims_of(OWNER, timezone=None), Listing(tuple(logs)))
        assert sorted(files(folder).values()) == sorted([*contents, *strays.values()])
        assert strays.items() <= files(folder).items()
        assert [entry["status"] for entry in ledger_of(folder).values()].count("queued") == 3


def ring(folder: EventFolder) -> tuple[list[bytes], list[ListedTrack]]:
    """Three collected tracks, and a listing by which each has the name of the next one."""
    contents = [track(601, MORNING + hour * HOUR, 200 + hour) for hour in range(3)]
    listing = collected(folder, *contents)
    zones = zip(listing.entries, (120, 120, -60), strict=True)
    return contents, [replace(log, timezone=minutes) for log, minutes in zones]


class TestWhatWasOnItsWay:
    @pytest.mark.parametrize("status", [Status.QUEUED, Status.FAILED, Status.SKIPPED])
    def test_goes_on_under_the_new_name(self, folder: EventFolder, status: Status) -> None:
        (old,), (new,) = tracks_of(LOG), tracks_of(LOG, rules=AFTER)
        ledger = folder.ledger(601)
        ledger.record(old, status)
        ledger.save()
        part = partial_path(folder.root / old.local_file, LOG.size)
        part.parent.mkdir(parents=True)
        part.write_bytes(CONTENT[:9000])
        assert refiled(folder, AFTER, Listing((LOG,))) == []
        assert hidden(folder.root) == [partial_path(folder.root / new.local_file, LOG.size).name]
        assert {name: entry["status"] for name, entry in ledger_of(folder).items()} == {NEW: status.value}

    @pytest.mark.parametrize("listing", [Listing(), Listing((listed(GROWN, "/logs/0.oao"),))])
    def test_leaves_no_older_version_under_the_old_name(self, folder: EventFolder, listing: Listing) -> None:
        """It had grown, and fetching it failed: the ledger says so, and no more that there is a file."""
        collected(folder, CONTENT)
        (grown,) = tracks_of(listed(GROWN, "/logs/0.oao"))
        ledger = folder.ledger(601)
        ledger.record(grown, Status.FAILED)
        ledger.save()
        assert names_of(refiled(folder, AFTER, listing)) == [(NAME, NEW)]
        assert files(folder) == {NEW_FINAL: CONTENT}
        assert ledger_of(folder)[NEW]["status"] == "failed"
        put(folder, NEW_FINAL, CONTENT[:-52] + bytes(52))
        assert refiled(folder, BEFORE, listing) == [Left(NEW, "its file is incomplete")]

    def test_blocks_nothing_if_somebody_has_removed_it(self, folder: EventFolder) -> None:
        (old,) = tracks_of(LOG)
        ledger = folder.ledger(601)
        ledger.record(old, Status.FAILED)
        ledger.save()
        part = partial_path(folder.root / old.local_file, LOG.size)
        folder.partials.add(folder.root / old.local_file, part)  # a person has removed it, or the disk was full
        assert refiled(folder, AFTER, Listing((LOG,))) == []
        assert list(ledger_of(folder)) == [NEW]
        assert folder.partials.of(folder.root / old.local_file) == ()

    def test_of_a_track_that_had_grown_goes_along(self, folder: EventFolder) -> None:
        collected(folder, CONTENT)
        (folder.root / FOLDER / f".{NAME}.99999.part").write_bytes(GROWN[:30_000])
        (folder.root / FOLDER / f".{NAME}.88888.part").write_bytes(GROWN[:30_000])
        (folder.root / FOLDER / f".{NEW}.88888.part").write_bytes(GROWN[:40_000])
        refiled(folder)
        assert hidden(folder.root) == [f".{NEW}.88888.part", f".{NEW}.99999.part"]
        assert (folder.root / FOLDER / f".{NEW}.88888.part").stat().st_size == 40_000


class TestALinkThatSomebodyElseHasPutThere:
    """It leads to a folder of others, in which nothing may be moved, replaced or removed."""

    @pytest.fixture
    def elsewhere(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("elsewhere")

    @pytest.mark.parametrize("local_file", [FINAL, UNASSIGNED])
    def test_instead_of_the_folder_of_a_track_is_not_followed(
        self, folder: EventFolder, elsewhere: Path, local_file: str
    ) -> None:
        before, after = (BEFORE, AFTER) if local_file == FINAL else (claims_of(), BEFORE)
        collected(folder, CONTENT, rules=before)
        planted = folder.root / (FOLDER if local_file == FINAL else "gpslogs/unassigned")
        kept = planted.rename(elsewhere / "kept")
        planted.symlink_to(kept)
        there = {path: path.read_bytes() for path in elsewhere.rglob("*") if path.is_file()}
        (left,) = refiled(folder, after)
        assert left == Left(Path(local_file).name, "its file is missing")
        assert {path: path.read_bytes() for path in elsewhere.rglob("*") if path.is_file()} == there

    def test_instead_of_the_folder_of_former_versions_is_not_followed(
        self, folder: EventFolder, elsewhere: Path
    ) -> None:
        collected(folder, CONTENT)
        put(folder, NEW_FINAL, b"something else")
        (folder.root / "gpslogs/superseded").symlink_to(elsewhere)
        with pytest.raises(NotADirectoryError):
            refiled(folder)
        assert list(elsewhere.iterdir()) == []
        assert (folder.root / FINAL).read_bytes() == CONTENT

    def test_after_the_look_is_not_followed_either(
        self, folder: EventFolder, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Somebody replaces the folder between the look at it and the rename."""
        collected(folder, CONTENT, rules=claims_of())

        def replace_folder(path: Path, within: Path) -> None:
            path.mkdir()
            path.rename(elsewhere / "kept")
            path.symlink_to(elsewhere / "kept")

        monkeypatch.setattr("sse_twisted.event_folder.moves.add_folder", replace_folder)
        with pytest.raises(NotADirectoryError):
            refiled(folder, BEFORE)
        assert list((elsewhere / "kept").iterdir()) == []
        assert (folder.root / UNASSIGNED).read_bytes() == CONTENT


class TestKilledOrFailingAtAnyStep:
    """Nothing is lost, nothing counts twice, and the next run ends it."""

    LATER = track(601, MORNING + HOUR, 500)
    DAMAGED = CONTENT[:-7]

    def prepared(self, folder: EventFolder, case: str) -> FilingRules:
        for name in ("gpslogs", "motions"):
            shutil.rmtree(folder.root / name, ignore_errors=True)
        folder.prepare()
        collected(folder, CONTENT, self.LATER, original=case == "original")
        (folder.root / FOLDER / f".{NAME}.99999.part").write_bytes(GROWN[:9000])
        if case == "occupied":
            put(folder, NEW_FINAL, b"something else")
        if case == "fetched twice":
            put(folder, NEW_FINAL, CONTENT)
        if case == "failed since":
            ledger = folder.ledger(601)
            ledger.record(tracks_of(listed(GROWN, "/logs/0.oao"))[0], Status.FAILED)
            ledger.save()
        if case == "damaged":
            put(folder, FINAL, self.DAMAGED)
            ledger = folder.ledger(601)
            sha256 = examine(folder.root / FINAL).sha256
            log = listed(CONTENT, "/logs/0.oao")
            ledger.record(tracks_of(log)[0], Status.COMPLETED, outcome(sha256, self.DAMAGED))
            ledger.save()
        return {"unassigned": claims_of(), "time zone": claims_of(OWNER, timezone=120)}.get(case, AFTER)

    def tracks(self, folder: EventFolder) -> Iterator[tuple[str, bytes]]:
        for name, content in files(folder).items():
            if "superseded" not in name and not Path(name).name.startswith("."):
                yield name, content

    @pytest.mark.parametrize(
        "case", ["plain", "unassigned", "time zone", "original", "occupied", "fetched twice", "failed since", "damaged"]
    )
    def test_the_next_run_ends_it(self, folder: EventFolder, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "fsync", lambda _: None)  # it is a step all the same
        rules = self.prepared(folder, case)
        content = self.DAMAGED if case == "damaged" else CONTENT
        logs = (listed(CONTENT, "/logs/0.oao"), listed(self.LATER, "/logs/1.oao"))
        expected = {
            one.local_file: bytes_
            for one, bytes_ in zip(tracks_of(*logs, rules=rules), (content, self.LATER), strict=True)
        }
        tried = 0

        def run() -> list[Step]:
            restarted = EventFolder(folder.root)
            return [*refile(restarted, 601, Listing(), rules, restarted.ledger(601))]

        for _ in failing_at_each_step(run, lambda: self.prepared(folder, case)):
            now = [one for _, one in self.tracks(folder)]
            assert now.count(self.LATER) == 1
            assert now.count(content) == 1 or case == "fetched twice"
            assert content in now
            self.check_that_nothing_counts_twice(folder)
            run()
            assert dict(self.tracks(folder)) == expected
            assert {entry["local_file"] for entry in ledger_of(folder).values()} == set(expected)
            assert len(ledger_of(folder)) == 2
            assert refiled(folder, rules) == []
            superseded = [one for name, one in files(folder).items() if "superseded" in name]
            assert superseded == ([b"something else"] if case == "occupied" else [])
            parts = [name for name in hidden(folder.root) if not name.endswith(".tmp")]
            assert parts == [f".{Path(next(iter(expected))).name}.99999.part"]
            tried += 1
        assert tried >= 20

    def check_that_nothing_counts_twice(self, folder: EventFolder) -> None:
        """No two entries of one log have a file each, unless it was so before."""
        ledger = Ledger.read(folder.device_folder(601) / "downloads.json")
        assert ledger is not None
        here = [
            entry["motion_file"]
            for entry in ledger.entries.values()
            if entry["status"] == "completed" and (folder.root / entry["local_file"]).exists()
        ]
        assert len(here) == len(set(here))


LOGS = st.lists(
    st.builds(
        lambda file, second, size: replace(LOG, file=file, start_date=LOG.start_date + 1000 * second, size=size),
        st.sampled_from(["/logs/0.oao", "/logs/1.oao"]),
        st.integers(0, 2),
        st.sampled_from([LOG.size, LOG.size + 82]),
    ),
    max_size=4,
    unique=True,
).map(lambda logs: Listing(tuple(logs)))
RULES = st.sampled_from([BEFORE, AFTER, claims_of(), claims_of(OWNER, timezone=120), claims_of(OWNER, last=FIRST)])


class TestWhetherNamesMayBeOutdated:
    """Most listings are compared without looking for moves."""

    @given(LOGS, RULES, LOGS, RULES, st.sets(st.integers(0, 3)))
    def test_where_none_may_be_there_is_nothing_to_move(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        had: Listing,
        then: FilingRules,
        has: Listing,
        now: FilingRules,
        completed: set[int],
    ) -> None:
        folder = EventFolder(tmp_path_factory.mktemp("event"))
        folder.prepare()
        ledger = folder.ledger(601)
        for number, one in enumerate(event_tracks(601, had, then)):
            ledger.record(one, Status.COMPLETED if number in completed else Status.QUEUED)
            put(folder, one.local_file, CONTENT)
        before = dict(ledger.entries)
        if not may_be_outdated(all_tracks(601, has, now, ledger.named()), ledger.named()):
            assert not list(refile(folder, 601, has, now, ledger))
            assert ledger.entries == before

    def test_another_owner_of_a_track_is_noticed(self) -> None:
        assert self.may_be_outdated(tracks_of(LOG), tracks_of(LOG, rules=AFTER))

    def test_a_log_that_is_not_listed_any_more_is_noticed(self) -> None:
        assert self.may_be_outdated(tracks_of(LOG), ())

    def test_the_same_names_of_the_same_logs_are_not_outdated(self) -> None:
        assert not self.may_be_outdated(tracks_of(LOG), tracks_of(LOG, replace(LOG, file="/logs/9.oao")))

    def may_be_outdated(self, before: tuple[EventTrack, ...], now: tuple[EventTrack, ...]) -> bool:
        ledger = Ledger(Path("downloads.json"))
        for one in before:
            ledger.record(one, Status.QUEUED)
        return may_be_outdated(now, ledger.named())
