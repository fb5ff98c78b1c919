from __future__ import annotations

from sse_twisted.simulator.faults import Fault
from sse_twisted.simulator.listings import BESTS, emptied, listing_entry, make_entry, never_finalised, spoil_listing
from sse_twisted.tracks.oao.header import decode_header
from tests.simulator.small import small_track

ENTRY = make_entry("/logs/a.oao", 1552, start_date=1000, end_date=9000, duration=8000, **{"2s_best": 7})
OTHER = make_entry("/logs/b.oao", 512)


def test_an_entry_repeats_the_header_of_its_track() -> None:
    track = small_track()
    entry, header = listing_entry(track, "/logs/a.oao"), decode_header(track)
    assert entry["size"] == len(track) + 1024
    assert (entry["start_date"], entry["end_date"]) == (header.start_date, header.end_date)
    assert (entry["distance"], entry["timezone"]) == (header.distance, header.timezone)
    assert entry["2s_best"] == 15_000


def test_a_log_that_was_never_finalised_has_no_end_and_whole_blocks() -> None:
    entry = never_finalised(ENTRY)
    assert entry["size"] % 512 == 0
    assert {entry[key] for key in ("end_date", "duration", "distance", *BESTS)} == {0}
    assert entry["start_date"] == 1000


def test_an_empty_log_ends_when_it_begins() -> None:
    entry = emptied(ENTRY)
    assert (entry["size"], entry["end_date"], entry["2s_best"]) == (1536, 1000, 0)


def test_a_fault_concerns_all_entries_or_those_of_one_path() -> None:
    spoil = Fault("negative-size")
    assert [entry["size"] for entry in spoil_listing([ENTRY, OTHER], spoil) or ()] == [-1, -1]
    assert spoil_listing([ENTRY, OTHER], spoil, of="b.oao") == [ENTRY, OTHER | {"size": -1}]
    assert spoil_listing([ENTRY, OTHER], spoil, of="c.oao") is None


def test_a_fault_of_another_kind_or_without_logs_changes_nothing() -> None:
    assert spoil_listing([ENTRY], Fault("cut")) is None
    assert spoil_listing([], Fault("10TB")) is None


def test_many_entries_are_older_than_the_real_ones() -> None:
    entries = spoil_listing([ENTRY], Fault("10000-entries", at=100)) or []
    assert len(entries) == len({entry["file"] for entry in entries}) == 100
    assert entries[-1] == ENTRY
    assert max(entry["start_date"] for entry in entries[:-1]) < ENTRY["start_date"]
