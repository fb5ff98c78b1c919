"""What linear algebra does in the programs, in a process that is told otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

THREADS = "import threadpoolctl; print({pool['num_threads'] for pool in threadpoolctl.threadpool_info()})"
PROGRAMS = {
    "twistd sse": (
        "from sse_twisted.daemon.tap import Options, makeService; options = Options();"
        "options.parseOptions(['--event', '.', '--web', 'off', '--manhole', 'off']); makeService(options)"
    ),
    "sse-track": "from sse_twisted.tracks.command import main; main(['--json', 'missing.oao'])",
    "sse-results": "from sse_twisted.results.courses.command import main; main(['.'])",
}


def threads_of(code: str, folder: Path, tell: str = THREADS) -> str:
    """What linear algebra has in a new process that has run this."""
    command = [sys.executable, "-c", f"{code}\n{tell}"]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "8"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[-1] if done.stdout else done.stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_linear_algebra_has_one_thread_whatever_the_environment_says(tmp_path: Path, program: str) -> None:
    assert threads_of(PROGRAMS[program], tmp_path) == "{1}"


@pytest.mark.skipif(sys.platform != "linux", reason="it asks /proc")
def test_the_daemon_starts_no_threads_that_would_do_nothing(tmp_path: Path) -> None:
    tell = "import os, sys; print('numpy' in sys.modules, len(os.listdir('/proc/self/task')))"
    assert threads_of("from sse_twisted.daemon.tap import Options", tmp_path, tell) == "True 1"


def test_numpy_alone_believes_the_environment(tmp_path: Path) -> None:
    assert threads_of("import numpy", tmp_path) == f"{{{min(8, os.cpu_count() or 1)}}}"
