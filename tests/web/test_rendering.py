from __future__ import annotations

import pytest
from jinja2 import ChoiceLoader, DictLoader, PackageLoader

from sse_twisted.web.rendering import Renderer, static_files


def test_a_page_of_other_templates_is_of_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """The script would look for what is not on the page that a browser has kept open over an update."""
    files = static_files()
    before = Renderer(files, lambda: 0).files
    assert Renderer(files, lambda: 0).files == before
    changed = ChoiceLoader([DictLoader({"board.html": "another"}), PackageLoader("sse_twisted.web")])
    monkeypatch.setattr("sse_twisted.web.rendering.PackageLoader", lambda _: changed)
    assert Renderer(files, lambda: 0).files != before
