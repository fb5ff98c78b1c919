"""Options of the programs that say where the work is done."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sse_twisted.runtime import cluster
from sse_twisted.tracks.command import main
from tests.tracks.voyages import small_track

WITHOUT_DASK = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("dask", "distributed"):
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, Hidden())
"""


@pytest.fixture
def track(tmp_path: Path) -> Path:
    file = tmp_path / "a.oao"
    file.write_bytes(small_track(40))
    return file


@pytest.mark.parametrize("program", ["sse_twisted.tracks.command", "sse_twisted.results.courses.command"])
def test_without_dask_a_cluster_is_refused_with_what_to_install(track: Path, program: str) -> None:
    text = f"{WITHOUT_DASK}\nfrom {program} import main\nsys.exit(main())"
    target = track if "tracks" in program else track.parent
    command = [sys.executable, "-c", text, str(target)]
    done = subprocess.run([*command, "--cluster", "tcp://127.0.0.1:1"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(
        "a cluster needs Dask, which cannot be imported (No module named 'distributed'): "
        "pip install 'sse-twisted[cluster]'\n"
    )


def test_without_dask_everything_else_works(track: Path) -> None:
    text = f"{WITHOUT_DASK}\nfrom sse_twisted.tracks.command import main\nsys.exit(main())"
    done = subprocess.run([sys.executable, "-c", text, str(track)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_processes_and_a_cluster_exclude_each_other(track: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        main([str(track), "--jobs", "2", "--cluster", "tcp://127.0.0.1:1"])
    assert ending.value.code == 2
    assert "not allowed with argument --jobs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--cluster", "127.0.0.1:1"], "cannot connect to the scheduler 127.0.0.1:1: "),
        (["--cluster", "http://127.0.0.1:1"], "unknown address scheme 'http'"),
        (["--cluster", "tls://127.0.0.1:1"], "perhaps check your TLS configuration"),
        (["--scheduler-file", "absent.json"], "scheduler file absent.json: No such file or directory"),
    ],
)
def test_a_scheduler_that_is_away_is_named(
    track: Path, options: list[str], why: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "CONNECT", 1.0)
    assert main([str(track), *options]) == 2
    out, errors = capsys.readouterr()
    assert errors.startswith("sse-track: ")
    assert why in errors
    assert errors.count("\n") == 1
    assert out == ""
