from __future__ import annotations

import datetime as dt

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.tracks.moments import milliseconds, utc


@given(st.datetimes(dt.datetime(1980, 1, 1), dt.datetime(2099, 12, 31)))  # noqa: DTZ001 - without zone
def test_a_date_is_that_of_the_calendar(moment: dt.datetime) -> None:
    fields = (moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second)
    (time,) = milliseconds(*(np.array([value]) for value in fields)).tolist()
    assert time == round(moment.replace(microsecond=0, tzinfo=dt.UTC).timestamp()) * 1000
    assert utc(time) == f"{moment:%Y-%m-%d %H:%M:%S}"


def test_a_month_may_be_counted_from_an_earlier_year() -> None:
    columns = [np.array([value]) for value in (2000, 22 * 12 + 4, 11, 10, 53, 16)]
    assert utc(int(milliseconds(*columns)[0])) == "2022-04-11 10:53:16"


def test_a_moment_that_no_calendar_has_is_a_number() -> None:
    assert utc(2**63 - 1) == "9223372036854775807 ms"
