"""The verdict, as a function of how the event folder compares with the listing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sse_twisted.devices.driver import BadEntry, Listing
from sse_twisted.event_folder.ledger import Ledger, Status
from sse_twisted.event_folder.naming import EventTrack
from sse_twisted.visits.comparison import Comparison, doubts_of
from sse_twisted.visits.verdict import Verdict, give_verdict
from tests.event_folder.samples import NAME, PATH, kept, listed, sailed
from tests.support.event import track

MISSING = sailed()[1]
EMPTY = "its listing is empty"


def other(number: int) -> EventTrack:
    """Another track of the same device, an hour later each."""
    return kept(listed(track(601, 1_665_993_600_000 + number * 3_600_000), f"/logs/2022/10/0601_{number}.oao"))


def judged(
    comparison: Comparison,
    failures: dict[str, str] | None = None,
    new_doubts: frozenset[str] = frozenset(),
    retry_after: float = 0.0,
    paused: str = "",
) -> Verdict:
    return give_verdict(comparison, failures or {}, new_doubts, retry_after, paused)


class TestADeviceCanBeDisconnected:
    def test_when_every_wanted_track_is_stored(self) -> None:
        assert judged(Comparison(wanted=3)) == Verdict(True, "")

    def test_and_what_should_be_known_of_its_tracks_is_said(self) -> None:
        verdict = judged(Comparison(wanted=2, unsound=("a is damaged: x", "b is damaged: y")))
        assert verdict == Verdict(True, "a is damaged: x; b is damaged: y")

    def test_when_a_listing_is_as_odd_as_the_one_before(self) -> None:
        """The doubts are the same as before, so none of them is new."""
        assert judged(Comparison(doubts=frozenset({EMPTY}))) == Verdict(True, EMPTY)

    def test_and_of_many_doubts_the_first_is_said(self) -> None:
        doubts = frozenset({"it does not list b any more", "it does not list a any more"})
        assert judged(Comparison(wanted=1, doubts=doubts)).reason == "it does not list a any more (and 1 more)"

    def test_and_that_all_of_its_tracks_are_of_other_days_is_said(self) -> None:
        assert judged(Comparison(out_of_event=4)) == Verdict(True, "none of its tracks (4) is of the event's days")

    @pytest.mark.parametrize("more", [{"wanted": 1}, {"skipped": (MISSING,)}])
    def test_and_tracks_of_other_days_beside_todays_are_not_worth_a_word(self, more: dict[str, Any]) -> None:
        assert judged(Comparison(out_of_event=4, **more)) == Verdict(True, "")


class TestADeviceMustStayConnected:
    def test_while_a_track_is_missing_and_the_failure_is_the_reason(self) -> None:
        verdict = judged(Comparison(wanted=3, missing=(MISSING,)), {NAME: "HTTP 503"}, retry_after=7.0)
        assert verdict == Verdict(False, "1 of 3 tracks missing (HTTP 503)", (NAME,), 7.0)

    def test_and_the_track_that_failed_is_the_reason_rather_than_the_first(self) -> None:
        later = other(1)
        verdict = judged(Comparison(wanted=2, missing=(MISSING, later)), {later.name: "timed out"})
        assert verdict.reason == "2 of 2 tracks missing (timed out)"
        assert verdict.missing == (NAME, later.name)

    def test_because_a_track_has_changed_where_nothing_failed(self) -> None:
        assert judged(Comparison(wanted=1, missing=(MISSING,))).reason == "1 of 1 track missing (it has changed since)"

    def test_because_a_path_can_not_be_requested(self) -> None:
        odd = kept(listed(track(601), "/logs/../secret.oao"))
        assert judged(Comparison(wanted=1, missing=(odd,))).reason == f"1 of 1 track missing ({odd.log.path_problem})"

    def test_while_downloads_are_paused_if_a_track_is_missing(self) -> None:
        verdict = judged(Comparison(wanted=1, missing=(MISSING,)), paused="downloads are paused")
        assert verdict == Verdict(False, "1 of 1 track missing, downloads are paused", (NAME,), paused=True)
        assert judged(Comparison(wanted=1), paused="downloads are paused").collected

    @pytest.mark.parametrize(("count", "text"), [(1, "1 entry"), (2, "2 entries")])
    def test_while_its_listing_can_not_be_read_whole(self, count: int, text: str) -> None:
        verdict = judged(Comparison(wanted=1, unreadable=count))
        assert not verdict.collected
        assert text in verdict.reason

    def test_when_a_listing_is_odd_for_the_first_time(self) -> None:
        doubts = frozenset({EMPTY})
        assert judged(Comparison(doubts=doubts), new_doubts=doubts) == Verdict(False, EMPTY)

    def test_and_a_missing_track_comes_before_every_other_reason(self) -> None:
        comparison = Comparison(wanted=1, missing=(MISSING,), unreadable=1, doubts=frozenset({EMPTY}))
        assert judged(comparison, new_doubts=frozenset({EMPTY})).missing == (NAME,)


class TestAListingIsHardToBelieve:
    @pytest.fixture
    def ledger(self, tmp_path: Path) -> Ledger:
        """The ledger of a device whose track is queued."""
        ledger = Ledger(tmp_path / "downloads.json")
        ledger.queue(MISSING)
        return ledger

    def test_if_it_is_empty(self, tmp_path: Path) -> None:
        assert doubts_of(Listing(), Ledger(tmp_path / "downloads.json")) == {EMPTY}

    def test_if_a_track_that_was_to_be_fetched_is_not_in_it_any_more(self, ledger: Ledger) -> None:
        assert doubts_of(Listing((other(1).log,)), ledger) == {f"it does not list {PATH} any more"}

    def test_and_what_the_device_called_that_track_is_shown_in_one_line(self, ledger: Ledger) -> None:
        ledger.entries[NAME] = ledger.entries[NAME] | {"motion_file": "/a\nb\x1b.oao"}
        (doubt,) = doubts_of(Listing((other(1).log,)), ledger)
        assert doubt.isprintable()

    @pytest.mark.parametrize("status", [Status.COMPLETED, Status.SKIPPED])
    def test_but_not_if_a_track_that_is_here_or_not_wanted_is_gone(self, ledger: Ledger, status: Status) -> None:
        ledger.record(MISSING, status)
        assert not doubts_of(Listing((other(1).log,)), ledger)

    def test_but_not_if_it_lists_what_is_to_be_fetched(self, ledger: Ledger) -> None:
        assert not doubts_of(Listing((MISSING.log,)), ledger)

    def test_but_not_for_being_empty_if_it_has_entries_that_can_not_be_read(self, tmp_path: Path) -> None:
        assert not doubts_of(Listing(bad=(BadEntry(0, "/x.oao", "no size"),)), Ledger(tmp_path / "downloads.json"))


def test_remarks_on_many_tracks_are_counted() -> None:
    unsound = tuple(f"{number}.oao is damaged: " + "x" * 1_000 for number in range(20_000))
    verdict = give_verdict(Comparison(wanted=20_000, unsound=unsound), {}, frozenset(), 0.0, "")
    assert verdict.collected
    assert len(verdict.reason) < 1_500
    assert verdict.reason.endswith("; 19,995 more tracks are not verified")
