from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.event_folder.track_name import TrackName, day_of, replace_names

OWNED = "ABC601XYZ_601_20221018_113632.oao"
UNASSIGNED = "motion-601_20221018_113632.oao"
UNDATED = f"motion-601_undated_{2**62}.oao"
START_MS = 1_666_089_392_999  # 2022-10-18, 10:36:32 UTC

FILE_IDS = st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True)
PREFIXES = st.tuples(FILE_IDS, st.sampled_from("_-"), st.integers(1, 999_999)).map(
    lambda parts: "".join(map(str, parts))
)
STAMPS = st.datetimes().map(lambda start: start.strftime("%Y%m%d_%H%M%S")) | st.integers().map("undated_{}".format)
NAMES = st.builds(
    TrackName, PREFIXES, STAMPS, st.integers(1, 10**6), st.from_regex(r"\.[A-Za-z0-9]{1,8}", fullmatch=True)
)


def parsed(text: str) -> TrackName:
    name = TrackName.parse(text)
    assert name is not None
    return name


@given(NAMES)
def test_parsing_is_the_inverse_of_formatting(name: TrackName) -> None:
    assert TrackName.parse(str(name)) == name


@pytest.mark.parametrize(
    ("text", "prefix", "is_unassigned"),
    [
        (OWNED, "ABC601XYZ_601", False),
        (UNASSIGNED, "motion-601", True),
        (UNDATED, "motion-601", True),
        ("logger-7_20221018_113632.dat", "logger-7", True),
        ("BUOY_621_601_20221018_113632.oao", "BUOY_621_601", False),
        ("motion-5_601_20221018_113632.oao", "motion-5_601", False),
        ("DE 101XYZ_641_20221018_130948.oao", "DE 101XYZ_641", False),
        ("É.V.+1_641_20221018_130948.oao", "É.V.+1_641", False),
    ],
)
def test_the_prefix_is_that_of_an_owner_or_a_host_name(text: str, prefix: str, is_unassigned: bool) -> None:
    name = parsed(text)
    assert (name.prefix, name.is_unassigned) == (prefix, is_unassigned)
    assert str(name) == text


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        (OWNED, "gpslogs/20221018"),
        (UNASSIGNED, "gpslogs/unassigned/20221018"),
        (UNDATED, "gpslogs/unassigned/undated"),
    ],
)
def test_the_name_tells_the_place_below_the_event_folder(text: str, folder: str) -> None:
    assert parsed(text).local_file == f"{folder}/{text}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "notes.txt",
        "ABC601XYZ_20221018_113632.oao",
        "ABC601XYZ_601_20221018.oao",
        "ABC601XYZ_601_20221018_113632",
        "ABC601XYZ_601_20221018_113632-1.oao",
        "ABC601XYZ_601_20221018_113632-02.oao",
        "../ABC601XYZ_601_20221018_113632.oao",
        "ABC\0_601_20221018_113632.oao",
        "ABC601XYZ_601_20221018_113632.oao\n",
        "ABC601XYZ_601_20221018_113632.oao.part",
        "ABC601XYZ_601_2022\u0661018_113632.oao",
    ],
)
def test_any_other_text_is_not_a_name(text: str) -> None:
    assert TrackName.parse(text) is None
    assert day_of(text) is None


def test_a_number_tells_tracks_of_one_second_apart() -> None:
    second = parsed(OWNED).with_number(2)
    assert str(second) == OWNED.replace(".oao", "-2.oao")
    assert parsed(str(second)).with_number(1) == parsed(OWNED)
    assert parsed("motion-601_undated_-5-12.oao").number == 12


class TestTheStart:
    def test_is_local(self) -> None:
        assert parsed(OWNED).day == dt.date(2022, 10, 18)
        assert parsed(OWNED).local_start == dt.datetime(2022, 10, 18, 11, 36, 32)  # noqa: DTZ001 - in the device's zone

    @pytest.mark.parametrize("stamp", ["undated_5", "20221318_113632", "9990101_113632"])
    def test_may_have_no_day(self, stamp: str) -> None:
        name = parsed(f"motion-601_{stamp}.oao")
        assert (name.day, name.local_start, name.minutes_east(START_MS)) == (None, None, None)

    def test_has_a_day_even_if_its_time_is_none(self) -> None:
        name = parsed("motion-601_20221018_996099.oao")
        assert (name.day, name.local_start) == (dt.date(2022, 10, 18), None)

    @pytest.mark.parametrize(("hours", "minutes"), [(0, 60), (-16, None), (-15, -840), (13, 840)])
    def test_tells_the_time_zone(self, hours: int, minutes: int | None) -> None:
        start = dt.datetime(2022, 10, 18, 11, 36, 32, tzinfo=dt.UTC) + dt.timedelta(hours=hours)
        assert parsed(f"motion-601_{start:%Y%m%d_%H%M%S}.oao").minutes_east(START_MS) == minutes


def test_names_in_a_sentence_are_spelled_otherwise() -> None:
    accented = OWNED.replace("ABC601XYZ", "Zo\u00eb.1")
    text = f"2 of 3 tracks missing ({OWNED}, {UNDATED}, {accented}), see 601_notes.txt"
    spelled = replace_names(text, lambda name: f"<{name.prefix}>")
    assert spelled == ("2 of 3 tracks missing (<ABC601XYZ_601>, <motion-601>, <Zo\u00eb.1_601>), see 601_notes.txt")


def test_all_names_of_a_real_event_have_the_day_of_their_folder(captures: Path) -> None:
    names = 0
    for path in sorted((captures / "event-2022" / "motions").glob("*/downloads.json")):
        for text, entry in json.loads(path.read_bytes()).items():
            name = parsed(text)
            assert str(name) == text
            assert name.local_file == entry["local_file"]
            assert day_of(text) == dt.date.fromisoformat(re.findall(r"_(\d{8})_", text)[-1])
            names += 1
    assert names == 92
