"""What every kind of device must do: run these tests first for a new driver, after adding a sample of it to KINDS.

A sample is a driver, the number of one device, and what that device answers by path.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import permutations
from typing import Any

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from sse_twisted.config.settings import Expected
from sse_twisted.devices.connections import Address
from sse_twisted.devices.driver import Driver, Listing
from sse_twisted.devices.drivers import KNOWN, Drivers, device_number
from sse_twisted.devices.errors import BadAnswer
from sse_twisted.devices.motion.driver import MotionDriver
from sse_twisted.event_folder.folder import LEDGER
from sse_twisted.runtime.text import json_bytes
from sse_twisted.simulator.device import SimulatedDevice
from tests.support.event import log_of
from tests.support.second_kind import Logger, LoggerDriver

HERE = Address("10.0.0.1", 80)
DISCIPLINES = {"2s", "10s", "500m", "1852m", "alpha500", "1h"}


@frozen
class Sample:
    """A device of one kind."""

    driver: Driver
    number: int
    answers: Mapping[str, bytes]

    async def ask(
        self, address: Address, path: str, parse: Callable[[bytes], Any], *, kind: str, limit: int = 65536
    ) -> Any:
        """Stand in for DeviceHttp."""
        assert re.fullmatch("[a-z]+", kind)
        assert limit >= len(self.answers[path])
        return parse(self.answers[path])

    def reply(self, method: str) -> Any:
        """Return what the driver makes of the device's answer."""
        asking = Deferred.fromCoroutine(getattr(self.driver, method)(self, HERE))
        return SynchronousTestCase().successResultOf(asking)


def motion() -> Sample:
    device = SimulatedDevice(601, [log_of(601), log_of(601, 1_666_000_800_000)])
    answers = {"/info.json": device.info, "/settings.json": device.settings, "/logs.json": {"logs": device.listing()}}
    return Sample(MotionDriver(), 601, {path: json_bytes(tree) for path, tree in answers.items()})


def logger() -> Sample:
    tracks = {f"/t/{n}.trk": (b"a track" * 400, n * 10**12, n * 10**12 + 80_000, 5000) for n in (1, 2)}
    answers = Logger(7, tracks).answers()
    return Sample(LoggerDriver(), 7, {path: answers[path] for path in ("/whoami", "/tracks.csv")})


KINDS = (motion(), logger())
samples = st.sampled_from(KINDS)  # rather than parametrize, which pytest-twisted does not bear beside @given
kinds = pytest.mark.parametrize("sample", KINDS, ids=lambda sample: sample.driver.kind)


def test_every_known_kind_has_a_sample() -> None:
    assert {driver.kind for driver in KNOWN} <= {sample.driver.kind for sample in KINDS}
    assert len({sample.driver.kind for sample in KINDS}) == len(KINDS)


@kinds
class TestNames:
    @pytest.mark.parametrize("number", [1, 601, 999_999])
    def test_a_number_and_its_host_name_are_one(self, sample: Sample, number: int) -> None:
        name = sample.driver.host_name(number)
        assert sample.driver.number_of(name) == sample.driver.number_of(name.upper()) == number

    def test_host_names_are_fit_for_name_servers_and_folders(self, sample: Sample) -> None:
        assert re.fullmatch(r"[a-z][a-z0-9-]*-601", sample.driver.host_name(601))

    @pytest.mark.parametrize("change", ["{}x", "x{}", "{}.lan", "{} ", "{}\n", "{}/..", "", "601", "localhost"])
    def test_other_names_are_of_no_device(self, sample: Sample, change: str) -> None:
        assert sample.driver.number_of(change.format(sample.driver.host_name(601))) is None

    def test_answers_are_kept_in_files_of_their_own(self, sample: Sample) -> None:
        files = sample.driver.files
        names = {files.identity, files.settings, files.listing}
        assert len(names) == 3
        assert not names & {LEDGER, "tracks.json"}
        assert all(re.fullmatch(r"[a-z]+\.[a-z]+", name) for name in names)


def test_no_name_is_of_two_kinds() -> None:
    for one, other in permutations(KINDS, 2):
        assert one.driver.number_of(other.driver.host_name(601)) is None


@kinds
class TestAnswers:
    def test_a_device_says_who_it_is(self, sample: Sample) -> None:
        identity = sample.reply("identify").value
        assert identity.number == sample.number
        assert identity.battery is None or 0 <= identity.battery <= 100

    def test_settings_that_were_stored_say_the_same(self, sample: Sample) -> None:
        reply = sample.reply("settings")
        if reply is not None:
            assert sample.driver.stored_settings(reply.stored) == reply.value

    def test_a_listing_that_was_stored_says_the_same(self, sample: Sample) -> None:
        reply = sample.reply("listing")
        assert sample.driver.stored_listing(reply.stored) == reply.value

    def test_listed_tracks_have_all_that_the_collector_needs(self, sample: Sample) -> None:
        listing: Listing = sample.reply("listing").value
        assert len(set(listing.entries)) == len(listing.entries) == 2
        assert listing.bad == ()
        for listed in listing.entries:
            assert listed.path_problem == ""
            assert listed.length == sample.driver.length_of(listed.size) > 0
            assert 10**12 <= listed.start_date <= listed.end_date < 4 * 10**12
            assert re.fullmatch(r"\.[A-Za-z0-9]{1,8}", listed.extension)
            assert {name for name, _ in listed.claims} <= DISCIPLINES
            assert listed.is_plausible


@kinds
class TestLengths:
    def test_only_a_plausible_length_is_believed_at_once(self, sample: Sample) -> None:
        for listed in sample.reply("listing").value.entries:
            assert sample.driver.accepts_length(listed, listed.length)
            assert not sample.driver.accepts_length(listed, listed.length - 1)
            assert not sample.driver.accepts_length(listed, 0)


@kinds
class TestFindings:
    def test_each_subject_comes_once_and_fits_on_a_line(self, sample: Sample) -> None:
        files = sample.driver.files
        stored = {files.identity: sample.reply("identify").stored}
        if (settings := sample.reply("settings")) is not None:
            stored[files.settings] = settings.stored
        found = list(sample.driver.findings(stored, Expected()))
        assert found
        assert len({finding.subject for finding in found}) == len(found)
        for finding in found:
            assert finding.text.isprintable()
            assert len(finding.text) < 200
            assert finding.level == ("warning" if not finding.ok else finding.usual)


@given(samples, st.text(max_size=20))
def test_any_text_can_be_asked_for(sample: Sample, text: str) -> None:
    number = sample.driver.number_of(text)
    assert number is None or sample.driver.host_name(number) == text.lower()


@given(samples, st.sampled_from(["identify", "listing"]), st.binary(max_size=80))
def test_nonsense_is_a_bad_answer(sample: Sample, method: str, data: bytes) -> None:
    deranged = Sample(sample.driver, sample.number, dict.fromkeys(sample.answers, data))
    asking = Deferred.fromCoroutine(getattr(sample.driver, method)(deranged, HERE))
    SynchronousTestCase().failureResultOf(asking, BadAnswer)


@given(samples, st.binary(max_size=80))
def test_a_stored_answer_that_was_spoilt_is_a_bad_answer(sample: Sample, data: bytes) -> None:
    for read in (sample.driver.stored_settings, sample.driver.stored_listing):
        with pytest.raises(BadAnswer):
            read(data)


@given(samples, st.integers(2000, 10**9))
def test_only_the_right_length_is_whole(sample: Sample, size: int) -> None:
    length = sample.driver.length_of(size)
    assert 0 < length <= size
    assert sample.driver.is_whole(size, length)
    assert not sample.driver.is_whole(size, length - 1)
    assert not sample.driver.is_whole(size, 0)


@given(samples, st.binary(max_size=80))
def test_nonsense_has_no_findings(sample: Sample, data: bytes) -> None:
    files = sample.driver.files
    assert list(sample.driver.findings(dict.fromkeys((files.identity, files.settings), data), Expected())) == []
    assert list(sample.driver.findings({}, Expected())) == []


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("motion-601", 601),
        ("MOTION-7", 7),
        ("motion-999999", 999_999),
        ("motion-0", None),
        ("motion-0601", None),
        ("motion-1000000", None),
        ("motion--1", None),
        ("motion-\uff16\uff10\uff11", None),
        ("motion-601\n", None),
        ("xmotion-601", None),
        ("601", None),
        ("", None),
    ],
)
def test_the_number_of_a_device_by_its_name(name: str, identifier: int | None) -> None:
    assert device_number(name) == identifier


def test_numbers_of_the_first_kind_are_not_remembered_since_there_may_be_ever_new_ones() -> None:
    drivers = Drivers(*KNOWN)
    for number in range(1, 1_000):
        drivers.learn(number, KNOWN[0])
        drivers.number(f"motion-{number}")
    assert not drivers._of
    assert drivers.of(601) is KNOWN[0]
