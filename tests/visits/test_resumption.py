"""What is learned from a download that failed: whether the next request may resume it."""

from __future__ import annotations

import pytest

from sse_twisted.devices.errors import (
    BadAnswer,
    BadRange,
    DeviceError,
    Interrupted,
    Refused,
    Silent,
    Unreachable,
    WrongDevice,
)
from sse_twisted.event_folder.ledger import Resume
from sse_twisted.event_folder.partial import OVERLAP
from sse_twisted.visits.resumption import Attempt, after_failure

START = 10_000
CUT = Interrupted("connection lost")
ALLOWED, ON_TRIAL, NOT_NEXT, NEVER = Resume


def ranged(new: int | None = None) -> Attempt:
    """An attempt to resume; None if there was no body, else by so many bytes that were not here yet."""
    if new is None:
        return Attempt(may_resume=True, start=START)
    return Attempt(may_resume=True, start=START, resumed=True, answered=True, reached=START + OVERLAP + new)


@pytest.mark.parametrize("before", [ALLOWED, ON_TRIAL])
@pytest.mark.parametrize(
    "error", [BadRange("x"), BadAnswer("x"), *(Refused("x", status) for status in (400, 403, 404, 416, 501))], ids=repr
)
def test_an_invalid_response_is_proof(before: Resume, error: DeviceError) -> None:
    assert after_failure(before, ranged(), error) is NEVER
    assert after_failure(before, ranged(5), error) is NEVER


@pytest.mark.parametrize("error", [Silent("x"), Refused("x", 500), Refused("x", 503)], ids=repr)
def test_what_may_be_the_networks_fault_is_proof_the_second_time(error: DeviceError) -> None:
    assert after_failure(ALLOWED, ranged(), error) is NOT_NEXT
    assert after_failure(ON_TRIAL, ranged(), error) is NEVER


@pytest.mark.parametrize("error", [Unreachable("x"), WrongDevice("x", 602)], ids=repr)
def test_a_request_that_was_not_sent_teaches_nothing(error: DeviceError) -> None:
    assert [after_failure(before, ranged(), error) for before in Resume] == [*Resume]


@pytest.mark.parametrize("before", [ALLOWED, ON_TRIAL])
def test_a_cut_after_new_bytes_is_resumed_again(before: Resume) -> None:
    assert after_failure(before, ranged(1), CUT) is ALLOWED


def test_a_cut_without_a_new_byte_is_resumed_once() -> None:
    assert after_failure(ALLOWED, ranged(0), CUT) is ON_TRIAL
    assert after_failure(ON_TRIAL, ranged(0), CUT) is NOT_NEXT


@pytest.mark.parametrize("error", [CUT, BadAnswer("x")], ids=repr)
def test_a_track_that_was_sent_from_its_first_byte_may_be_resumed_on_trial(error: DeviceError) -> None:
    plain = Attempt(may_resume=False, answered=True, reached=5000)
    assert after_failure(NOT_NEXT, plain, error) is ON_TRIAL
    assert [after_failure(before, plain, error) for before in (ALLOWED, ON_TRIAL, NEVER)] == [ALLOWED, ON_TRIAL, NEVER]


def test_a_whole_request_that_has_no_response_does_not_count() -> None:
    assert after_failure(NOT_NEXT, Attempt(may_resume=False), Silent("x")) is NOT_NEXT
