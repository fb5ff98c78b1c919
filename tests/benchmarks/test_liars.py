"""The soak with liars runs, in a small way."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.cases import Bench, CollectingError
from tests.benchmarks.liars import soak


@pytest.mark.slow
def test_honest_devices_are_collected_beside_liars(tmp_path: Path) -> None:
    lies = ("404", "html", "nonsense", "new numbers", "flapping", "new addresses")
    figures = {figure.what: figure for figure in soak(Bench(tmp_path), 12.0, lies, range(1001, 1004))}
    assert figures["honest tracks"].value == 6
    assert figures["descriptors at the end"].value > 0
    assert figures["log by visit, at the end"].value > 0


def test_an_honest_device_that_is_not_collected_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CollectingError, match="not collected: "):
        list(soak(Bench(tmp_path), 1.0, ("404",), range(1001, 1003)))
