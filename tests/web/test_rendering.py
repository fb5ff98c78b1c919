from __future__ import annotations

import datetime

import pytest
from jinja2 import ChoiceLoader, DictLoader, PackageLoader

from sse_twisted.web.rendering import Renderer, static_files


def test_changed_templates_change_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """The script would look for what is not on the page that a browser has kept open over an update."""
    files = static_files()
    before = Renderer(files, lambda: 0, today, "Weymouth").files
    assert Renderer(files, lambda: 0, today, "Weymouth").files == before
    changed = ChoiceLoader([DictLoader({"board.html": "another"}), PackageLoader("sse_twisted.web")])
    monkeypatch.setattr("sse_twisted.web.rendering.PackageLoader", lambda _: changed)
    assert Renderer(files, lambda: 0, today, "Weymouth").files != before


def today() -> datetime.date:
    return datetime.date(2022, 10, 17)


def test_a_track_is_shortened_to_its_start_time() -> None:
    brief = Renderer(static_files(), lambda: 60, today, "Weymouth").brief
    text = "2 of 3 tracks missing (DCS122YRD_653_20221017_113632.oao, motion-653_20221016_090000-2.oao)"
    assert brief(text) == "2 of 3 tracks missing (11:36, 2022-10-16 09:00)"
    assert brief("motion-653_undated_12.oao") == "motion-653_undated_12.oao"
