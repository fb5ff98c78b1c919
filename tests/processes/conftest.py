"""The stages of all tests with processes."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_twisted  # type: ignore[import-untyped]  # it has no annotations
from twisted.internet.defer import Deferred

import sse_twisted
from tests.processes.stage import Stage
from tests.support.daemon import Elsewhere, LiveEvent


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    yield from stage_in(tmp_path)


@pytest.fixture
def public_stage() -> Iterator[Stage]:
    """A stage that others than its owner can reach."""
    folder = Path(tempfile.mkdtemp(prefix="sse-test-"))
    folder.chmod(0o755)
    yield from stage_in(folder)
    shutil.rmtree(folder)


def stage_in(folder: Path) -> Iterator[Stage]:
    from twisted.internet import reactor

    made = Stage(reactor, LiveEvent(reactor, folder), Elsewhere(reactor, folder))
    yield made
    for part in (made.elsewhere, made.event):
        pytest_twisted.blockon(Deferred.fromCoroutine(part.close()))


@pytest.fixture
def nobody() -> pwd.struct_passwd:
    """The user without rights, who must be able to read what Python has yet to import."""
    if os.getuid() != 0:
        pytest.skip("only root can become nobody")
    for file in (Path(os.__file__).resolve(), Path(sse_twisted.__file__).resolve()):
        closed = [folder for folder in file.parents if not folder.stat().st_mode & stat.S_IXOTH]
        if closed:
            pytest.skip(f"nobody can't import {file}: {closed[-1]} is closed to others")
    return pwd.getpwnam("nobody")
