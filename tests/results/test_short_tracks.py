from __future__ import annotations

import pytest

from sse_twisted.results.short_tracks import Outing, short_outings
from sse_twisted.settings import Expected, Settings
from tests.event import MORNING, VirtualEvent, log_of

AFTERNOON = MORNING / 1000 + 8 * 3600  # s


def outings(*hours: float, km_per_hour: float = 10.0) -> dict[int, Outing]:
    return {601 + number: Outing(value, value * km_per_hour) for number, value in enumerate(hours)}


class TestComparison:
    def test_much_less_than_the_median_is_short(self) -> None:
        found = short_outings(outings(4.0, 5.0, 1.9, 6.0, 5.0), Expected(short_hours=40))
        assert found == {603: "short track: 1.9 hours, the median is 5.0"}

    def test_as_much_as_the_threshold_is_not(self) -> None:
        assert short_outings(outings(4.0, 5.0, 2.0, 6.0, 5.0), Expected(short_hours=40)) == {}

    def test_distance_counts_where_the_hours_are_as_usual(self) -> None:
        found = short_outings(outings(5.0, 5.0, 5.0, 5.0) | {605: Outing(5.0, 3.0)}, Expected())
        assert found == {605: "short track: 3.0 km, the median is 50.0"}

    @pytest.mark.parametrize("hours", [(5.0, 5.0, 5.0, 0.1), (0.0, 0.0, 5.0, 5.0, 5.0, 0.1)])
    def test_a_few_are_nothing_to_compare_with(self, hours: tuple[float, ...]) -> None:
        assert short_outings(outings(*hours), Expected()) == {}

    def test_a_threshold_of_zero_turns_it_off(self) -> None:
        assert short_outings(outings(5.0, 5.0, 5.0, 5.0, 0.1), Expected(short_hours=0, short_distance=0)) == {}


class TestFinding:
    @pytest.fixture
    def short(self, event: VirtualEvent) -> VirtualEvent:
        """Four devices with 80 s of a track, and 605 with 28 s."""
        event.utc = AFTERNOON
        for identifier in (601, 602, 603, 604):
            event.device(identifier, log_of(identifier))
        event.device(605, log_of(605, fixes=140))
        return event

    def test_it_is_on_the_device_and_in_the_log_once(self, short: VirtualEvent) -> None:
        short.start()
        short.arrive(601, 602, 603, 604, 605)
        short.until("motion-605 short track: 0.0 hours, the median is 0.0")
        short.leave(605)
        short.advance(30.0)
        short.arrive(605)
        short.until("motion-605 has been disconnected")
        short.advance(30.0)
        assert [finding for finding in short.known(605).findings if finding.startswith("short")] != []
        assert len(short.said("motion-605 short track")) == 1
        assert not any(short.known(identifier).findings for identifier in (601, 602, 603, 604))

    def test_it_goes_when_the_others_turn_out_to_be_short_too(self, short: VirtualEvent) -> None:
        for identifier in range(606, 612):
            short.device(identifier, log_of(identifier, fixes=140))
        short.start()
        short.arrive(601, 602, 603, 604, 605)
        short.until("motion-605 short track")
        short.arrive(*range(606, 612))
        short.until("motion-611 can be disconnected")
        short.advance(5.0)
        assert not short.known(605).findings

    def test_without_a_threshold_there_is_none(self, short: VirtualEvent) -> None:
        short.settings = Settings(expected=Expected(short_hours=0, short_distance=0))
        short.start()
        short.arrive(601, 602, 603, 604, 605)
        short.until("motion-605 can be disconnected")
        short.advance(5.0)
        assert not short.said("short track")
