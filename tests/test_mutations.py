"""The seeded faults of `tests.mutations` still fit the package; that program shows that the tests find them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.mutations import MUTATIONS, ROOT, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_each_fault_can_be_seeded(mutation: Mutation, tmp_path: Path) -> None:
    for file, _, _ in mutation.changes:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "sse_twisted" / file, tmp_path / file)
    mutation.apply(tmp_path)
    assert all(
        (tmp_path / file).read_text() != (ROOT / "sse_twisted" / file).read_text() for file, _, _ in mutation.changes
    )
