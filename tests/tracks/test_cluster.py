"""`sse-track` and `sse-results` on a cluster of Dask: a scheduler and workers as processes on loopback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sse_twisted.runtime import cluster
from sse_twisted.simulator.writer import write_track
from tests.results.courses.folder import S1, Event
from tests.results.courses.sailing import sail as sail_course
from tests.support.dask_cluster import DaskCluster, dask_cluster
from tests.tracks.voyages import sail

pytestmark = pytest.mark.slow

TRACKS = 200
TRACK = [sys.executable, "-m", "sse_twisted.tracks.command"]
RESULTS = [sys.executable, "-m", "sse_twisted.results.courses.command"]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many tracks in folders of days, none like another; some are damaged, and one is none."""
    root = tmp_path_factory.mktemp("archive")
    fixes = sail(400, pause=10)
    fixes["speed"] = np.convolve(fixes["speed"], np.ones(25) / 25, "same")
    sound = write_track(fixes, identifier=601, nickname="WSW")
    for number in range(TRACKS):
        data = bytearray(sound[: 512 + 52 * (300 + number)])
        if number % 10 == 0:
            data[512 + 52 * 200 + 7] ^= 1
        file = root / f"2026101{number % 5}" / f"{number}.oao"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(data)
    (root / "20261010" / "0.oao").write_bytes(b"")
    return root


@pytest.fixture
def two_workers(tmp_path: Path) -> Iterator[DaskCluster]:
    (tmp_path / "dask").mkdir()
    with dask_cluster(tmp_path / "dask", workers=2) as two:
        yield two


def run(*command: str, folder: Path | None = None) -> tuple[int, str, str]:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


def other_version(folder: Path, *, is_empty: bool = False) -> Path:
    """A folder with the program as of another version, or with nothing in it but that."""
    package = folder / "sse_twisted"
    package.mkdir(parents=True)
    if not is_empty:
        shutil.copytree(Path(cluster.__file__).parents[1], package, dirs_exist_ok=True)
    (package / "__init__.py").write_text("__version__ = '0.0.9'\n")
    return folder


def started(*command: str, folder: Path | None = None) -> Any:
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_output_is_that_of_a_local_run_whoever_is_killed_in_the_middle(
    archive: Path, two_workers: DaskCluster
) -> None:
    local = run(*TRACK, ".", "--json-lines", folder=archive)
    assert local[0] == 1
    assert local[1].count("\n") == TRACKS
    command = [*TRACK, ".", "--json-lines", "--cluster", two_workers.address]
    with started(*command, folder=archive) as process:
        first = [process.stdout.readline() for _ in range(10)]
        two_workers.workers[0].kill()
        assert process.poll() is None
        rest, errors = process.stdout.read(), process.stderr.read()
    assert (process.returncode, "".join(first) + rest, errors) == local
    assert "Remove worker" in two_workers.said_by_scheduler()


@pytest.mark.parametrize("options", [["--json"], [], ["--verbose", "--unit", "km/h"]])
def test_table_and_list_are_those_of_a_local_run(archive: Path, two_workers: DaskCluster, options: list[str]) -> None:
    local = run(*TRACK, "20261010", *options, folder=archive)
    on_cluster = run(*TRACK, "20261010", *options, "--scheduler-file", str(two_workers.file), folder=archive)
    assert on_cluster == local


def test_exports_are_written_by_the_workers_where_a_local_run_writes_them(
    archive: Path, two_workers: DaskCluster, tmp_path: Path
) -> None:
    written = []
    for name, options in (("here", []), ("there", ["--cluster", two_workers.address])):
        out = tmp_path / name / "out"
        out.mkdir(parents=True)
        shutil.copytree(archive / "20261010", tmp_path / name / "tracks")
        status, _, errors = run(*TRACK, "tracks", "--csv", "out", "--gpx", "out", *options, folder=tmp_path / name)
        assert (status, errors) == (1, "sse-track: tracks/0.oao: not a track: the file is empty\n")
        written.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert len(written[0]) == 2 * (TRACKS // 5 - 1)
    assert written[0] == written[1]


def test_results_of_an_event_are_those_of_a_local_run(two_workers: DaskCluster, tmp_path: Path) -> None:
    event = Event(tmp_path / "event")
    event.courses(S1=S1)
    for number in range(601, 609):
        event.track(number, sail_course([(90, 5 + number % 10, 0)]))
    written = []
    for name, options in (("here", ["--jobs", "1"]), ("there", ["--cluster", two_workers.address])):
        command = [*RESULTS, "event", "--json", "--output", name, *options]
        status, out, _ = run(*command, folder=tmp_path)
        files = {path.name: path.read_bytes() for path in (tmp_path / name).rglob("*.csv")}
        written.append((status, out, files))
    assert written[0] == written[1]
    assert len(json.loads(written[0][1])[0]["courses"]["S1"]["passages"]) == 8


def test_a_worker_that_does_not_see_the_files_is_named_before_the_work_begins(
    two_workers: DaskCluster, archive: Path, tmp_path: Path
) -> None:
    """Each process sees other files under /proc/self, as computers do under a path that is not shared."""
    (tmp_path / "own").mkdir()
    shutil.copy(archive / "20261011" / "1.oao", tmp_path / "own")
    status, out, errors = run(*TRACK, "/proc/self/cwd/1.oao", "--cluster", two_workers.address, folder=tmp_path / "own")
    assert (status, out) == (2, "")
    assert "/proc/self/cwd/1.oao is missing (No such file or directory) there and a file of " in errors
    assert errors.count("tcp://127.0.0.1:") == 2
    assert errors.endswith("All workers need the same files under the same paths\n")


def test_a_file_that_one_worker_cannot_read_ends_the_work(
    two_workers: DaskCluster, archive: Path, tmp_path: Path
) -> None:
    own, there = tmp_path / "own", tmp_path / "dask"
    for name in ("1.oao", "6.oao"):
        own.mkdir(exist_ok=True)
        shutil.copy(archive / "20261011" / name, own)
    shutil.copy(own / "1.oao", there)
    status, _, errors = run(*TRACK, "/proc/self/cwd/*.oao", "--cluster", two_workers.address, folder=own)
    assert status == 2
    assert "/proc/self/cwd/6.oao is missing (No such file or directory) on " in errors


def copy_with_time(source: Path, target: Path, *, changed: int = -1) -> None:
    """Copy a file, with another time, and perhaps with a byte that is another one."""
    data = bytearray(source.read_bytes())
    if changed >= 0:
        data[changed] ^= 1
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(data)
    os.utime(target, (1_700_000_000, 1_700_000_000))


def test_a_file_of_the_same_size_that_a_worker_sees_differently_ends_the_work(
    two_workers: DaskCluster, archive: Path, tmp_path: Path
) -> None:
    own, there = tmp_path / "own", tmp_path / "dask"
    for name in ("1.oao", "6.oao"):
        source = archive / "20261011" / name
        copy_with_time(source, there / name, changed=512 + 52 * 200 + 7 if name == "6.oao" else -1)
        own.mkdir(exist_ok=True)
        shutil.copy(source, own)
    options = ["--json", "--cluster", two_workers.address]
    status, out, errors = run(*TRACK, "/proc/self/cwd/*.oao", *options, folder=own)
    size = f"{(own / '6.oao').stat().st_size:,}"
    assert status == 2
    assert f"/proc/self/cwd/6.oao is a file of {size} bytes of 2023-11-14 22:13:20 UTC on " in errors
    assert out.startswith("[\n")
    assert out.endswith("}\n")


def test_files_that_begin_differently_there_are_named_before_the_work_begins(
    two_workers: DaskCluster, archive: Path, tmp_path: Path
) -> None:
    copy_with_time(archive / "20261011" / "1.oao", tmp_path / "dask" / "1.oao", changed=600)
    copy_with_time(archive / "20261011" / "1.oao", tmp_path / "own" / "1.oao")
    options = ["--cluster", two_workers.address]
    status, out, errors = run(*TRACK, "/proc/self/cwd/1.oao", *options, folder=tmp_path / "own")
    assert (status, out) == (2, "")
    assert "bytes whose beginning has the checksum" in errors


def test_copies_of_an_archive_may_have_other_times(two_workers: DaskCluster, archive: Path, tmp_path: Path) -> None:
    for file in (archive / "20261011").iterdir():
        copy_with_time(file, tmp_path / "dask" / file.name)
    pattern = [*TRACK, "/proc/self/cwd/1*.oao", "--json-lines"]
    on_cluster = run(*pattern, "--cluster", two_workers.address, folder=archive / "20261011")
    assert on_cluster == run(*pattern, folder=archive / "20261011")


def test_a_worker_with_another_numpy_is_named_before_the_work_begins(
    two_workers: DaskCluster, archive: Path, tmp_path: Path
) -> None:
    (tmp_path / "other" / "numpy-1.0.0.dist-info").mkdir(parents=True)
    (tmp_path / "other" / "numpy-1.0.0.dist-info" / "METADATA").write_text("Name: numpy\nVersion: 1.0.0\n")
    two_workers.add_worker({"PYTHONPATH": str(tmp_path / "other")})
    two_workers.wait_for_workers(3)
    status, out, errors = run(*TRACK, str(archive), "--cluster", two_workers.address)
    assert (status, out) == (2, "")
    assert errors.count("numpy 1.0.0") == 1
    assert errors.count("\n") == 1


def test_an_output_that_cannot_be_written_ends_the_program(archive: Path, two_workers: DaskCluster) -> None:
    command = [*TRACK, str(archive), "--json-lines", "--cluster", two_workers.address]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (2, "sse-track: the output is not complete: No space left on device\n")


def test_a_worker_of_another_version_is_named_before_the_work_begins(
    two_workers: DaskCluster, archive: Path, tmp_path: Path
) -> None:
    two_workers.add_worker({"PYTHONPATH": str(other_version(tmp_path / "other"))})
    two_workers.wait_for_workers(3)
    status, out, errors = run(*TRACK, str(archive), "--json", "--cluster", two_workers.address)
    assert (status, out) == (2, "")
    assert errors.count("tcp://127.0.0.1:") == 1
    assert "sse_twisted 0.0.9 with rules" in errors


def test_a_worker_of_another_version_that_comes_later_ends_the_work(archive: Path, tmp_path: Path) -> None:
    """Nobody reads the output meanwhile, so that most of the work waits for the other worker."""
    other = other_version(tmp_path / "other")
    with (
        dask_cluster(tmp_path, 1) as one,
        started(*TRACK, str(archive), "--json-lines", "--cluster", one.address) as process,
    ):
        process.stdout.readline()
        one.add_worker({"PYTHONPATH": str(other)})
        one.wait_for_workers(2)
        rest, errors = process.stdout.read(), process.stderr.read()
    assert process.returncode == 2, errors
    assert errors.startswith("sse-track: a worker that came later has another version: ")
    assert rest.count("\n") < TRACKS - 1


def test_tracks_that_end_each_worker_are_an_error(archive: Path, tmp_path: Path) -> None:
    with (
        dask_cluster(tmp_path, 2, {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}) as strict,
        started(*TRACK, str(archive), "--json-lines", "--cluster", strict.address) as process,
    ):
        process.stdout.readline()
        for worker in strict.workers:
            worker.kill()
        strict.add_worker()
        process.stdout.read()
        errors = process.stderr.read()
    assert process.returncode == 2, errors
    assert errors.startswith("sse-track: each worker that took one of these files ended, the last one tcp://127.0.0.1:")
    assert 1 <= errors.count(f"{archive}/2026101") <= 4


def test_a_worker_without_the_program_is_named(two_workers: DaskCluster, archive: Path, tmp_path: Path) -> None:
    other = other_version(tmp_path / "other", is_empty=True)
    two_workers.add_worker({"PYTHONPATH": str(other)})
    two_workers.wait_for_workers(3)
    status, _, errors = run(*TRACK, str(archive), "--cluster", two_workers.address)
    assert status == 2
    assert "no version of sse_twisted that can do this (ModuleNotFoundError" in errors


def test_a_scheduler_that_goes_away_ends_the_work_with_whole_lines(archive: Path, two_workers: DaskCluster) -> None:
    command = [*TRACK, str(archive), "--json-lines", "--cluster", two_workers.address]
    with started(*command) as process:
        process.stdout.readline()
        two_workers.scheduler.kill()
        rest, errors = process.stdout.read(), process.stderr.read()
    assert process.returncode == 2, errors
    assert errors == f"sse-track: lost the scheduler {two_workers.address}: start it, and run this again\n"
    assert all(json.loads(line)["rules"] for line in rest.splitlines())
    assert rest.count("\n") < TRACKS - 1


def test_a_scheduler_whose_workers_are_all_gone_is_waited_for_and_then_is_an_error(
    archive: Path, two_workers: DaskCluster
) -> None:
    short = f"import {cluster.__name__} as c; c.LOOK = 0.2; c.NO_WORKERS = 1.0; "
    program = short + "import sys; from sse_twisted.tracks.command import main; sys.exit(main())"
    command = [sys.executable, "-c", program, str(archive), "--json-lines", "--cluster", two_workers.address]
    with started(*command) as process:
        process.stdout.readline()
        for worker in two_workers.workers:
            worker.kill()
        process.stdout.read()
        errors = process.stderr.read()
    assert process.returncode == 2, errors
    text = f"the scheduler {two_workers.address} has had no workers for 1 s: start workers, and run this again"
    assert errors == f"sse-track: {text}\n"


def test_a_scheduler_without_workers_is_an_error_at_once(archive: Path, tmp_path: Path) -> None:
    with dask_cluster(tmp_path, workers=0) as none:
        status, _, errors = run(*TRACK, str(archive), "--cluster", none.address)
    assert (status, errors) == (
        2,
        f"sse-track: the scheduler {none.address} has no workers: start one with `dask worker`\n",
    )


def test_a_scheduler_without_the_program_is_named(archive: Path, tmp_path: Path) -> None:
    other = other_version(tmp_path / "other", is_empty=True)
    with dask_cluster(tmp_path, 0, {"PYTHONPATH": str(other)}) as alone:
        alone.add_worker({"PYTHONPATH": ""})
        alone.wait_for_workers(1)
        status, _, errors = run(*TRACK, str(archive), "--cluster", alone.address)
    assert status == 2
    assert errors.startswith(f"sse-track: scheduler {alone.address}: no version of sse_twisted that can do this")


def test_a_cluster_behind_tls_is_set_up_by_the_configuration_of_dask(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl")
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=sse", "-days", "2"]
    assert run(*make, "-keyout", key, "-out", certificate)[0] == 0
    for name, value in {"CA_FILE": certificate, "CLIENT__KEY": key, "CLIENT__CERT": certificate}.items():
        monkeypatch.setenv(f"DASK_DISTRIBUTED__COMM__TLS__{name}", value)
    for role in ("SCHEDULER", "WORKER"):
        monkeypatch.setenv(f"DASK_DISTRIBUTED__COMM__TLS__{role}__KEY", key)
        monkeypatch.setenv(f"DASK_DISTRIBUTED__COMM__TLS__{role}__CERT", certificate)
    with dask_cluster(tmp_path, 1, protocol="tls") as behind:
        assert behind.address.startswith("tls://")
        on_cluster = run(*TRACK, "20261010", "--cluster", behind.address, folder=archive)
    assert on_cluster == run(*TRACK, "20261010", folder=archive)
