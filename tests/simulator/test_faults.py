"""The names of faults, and how they are spelled on the command line."""

from __future__ import annotations

import pytest

from sse_twisted.simulator.faults import FAULTS, Fault, parse_fault


@pytest.mark.parametrize(
    ("text", "fault", "probability"),
    [
        ("html", Fault("html"), 1.0),
        ("cut@4096", Fault("cut", at=4096), 1.0),
        ("cut@0", Fault("cut"), 1.0),
        ("drip:5", Fault("drip", seconds=5.0), 1.0),
        ("drip:.25", Fault("drip", seconds=0.25), 1.0),
        ("reboot@1000:2.5", Fault("reboot", at=1000, seconds=2.5), 1.0),
        ("cut@4096=0.1", Fault("cut", at=4096), 0.1),
        ("503:30=0", Fault("503", seconds=30.0), 0.0),
        (" 1e400 ", Fault("1e400"), 1.0),
    ],
)
def test_a_fault_is_read_with_its_byte_seconds_and_probability(text: str, fault: Fault, probability: float) -> None:
    assert parse_fault(text) == (fault, probability)


@pytest.mark.parametrize("name", FAULTS)
def test_every_known_fault_can_be_given_by_its_name(name: str) -> None:
    fault, _ = parse_fault(f"{name}@100:2")
    assert fault == Fault(name, at=100, seconds=2.0)


def test_an_unknown_name_is_refused_with_the_nearest_and_all_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown fault 'stal' \(did you mean 'stall'\?\); known: refused, reset"):
        parse_fault("stal")


@pytest.mark.parametrize("text", ["", "cut@", "cut@x", "cut@-1", "drip:x", "cut@1=", "cut@1=0.1=0.2", "@5"])
def test_a_fault_that_is_spelled_wrongly_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected NAME"):
        parse_fault(text)


@pytest.mark.parametrize("probability", ["2", "-0.1", "nan", "often"])
def test_a_probability_is_a_number_from_0_to_1(probability: str) -> None:
    with pytest.raises(ValueError, match="is not a number from 0 to 1"):
        parse_fault(f"html={probability}")


@pytest.mark.parametrize("name", ["cut", "abort", "stall", "reboot"])
def test_what_happens_at_a_byte_needs_one(name: str) -> None:
    with pytest.raises(ValueError, match=f"needs a byte, e.g. {name}@4096"):
        parse_fault(name)


def test_a_message_has_one_line() -> None:
    with pytest.raises(ValueError, match="unknown") as caught:
        parse_fault("nothing\nof the kind")
    assert "\n" not in str(caught.value)


def test_a_fault_of_an_unknown_name_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="unknown fault 'flood'"):
        Fault("flood")
