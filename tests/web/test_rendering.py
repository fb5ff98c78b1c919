from __future__ import annotations

import datetime

import pytest
from jinja2 import ChoiceLoader, DictLoader, PackageLoader

from sse_twisted.web.rendering import Renderer, static_files


def test_a_page_of_other_templates_is_of_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """The script would look for what is not on the page that a browser has kept open over an update."""
    files = static_files()
    before = Renderer(files, lambda: 0, today).files
    assert Renderer(files, lambda: 0, today).files == before
    changed = ChoiceLoader([DictLoader({"board.html": "another"}), PackageLoader("sse_twisted.web")])
    monkeypatch.setattr("sse_twisted.web.rendering.PackageLoader", lambda _: changed)
    assert Renderer(files, lambda: 0, today).files != before


def today() -> datetime.date:
    return datetime.date(2022, 10, 17)


def test_a_track_goes_by_the_time_at_which_it_began_and_the_day_if_it_is_another() -> None:
    brief = Renderer(static_files(), lambda: 60, today).brief
    text = "2 of 3 tracks missing (DCS122YRD_653_20221017_113632.oao, motion-653_20221016_090000-2.oao)"
    assert brief(text) == "2 of 3 tracks missing (11:36, 2022-10-16 09:00)"
    assert brief("motion-653_undated_12.oao") == "motion-653_undated_12.oao"
