from __future__ import annotations

from pathlib import Path

import pytest

import sse_twisted.web

MODULES = sorted(Path(sse_twisted.web.__path__[0]).glob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_the_web_knows_neither_the_daemon_nor_a_kind_of_device(module: Path) -> None:
    source = module.read_text()
    assert "from sse_twisted.daemon" not in source
    assert "sse_twisted.devices.motion" not in source
    assert "motion-" not in source
