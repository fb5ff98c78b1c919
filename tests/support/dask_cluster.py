"""A scheduler of Dask and its workers, as processes on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

READY = 60.0  # s for a process to start on a busy machine


class DaskCluster:
    """Its logs and the scheduler file are in `folder`. Leaving the context kills all that is left."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None, protocol: str = "tcp") -> None:
        self.file = folder / "scheduler.json"
        self._folder = folder
        self._environment = environment or {}
        self._protocol = ("--protocol", protocol)
        self._processes: list[subprocess.Popen[bytes]] = []
        options = ("--port", "0", "--scheduler-file", str(self.file), *self._protocol)
        self.scheduler = self._start("scheduler", *options, environment={})
        self._until(self.file.exists)
        self.address: str = json.loads(self.file.read_bytes())["address"]

    def add_worker(self, environment: Mapping[str, str] | None = None) -> None:
        """Start a worker with one thread."""
        options = ("--nthreads", "1", "--no-nanny", *self._protocol)
        self._start("worker", self.address, *options, environment=environment or {})

    def _start(self, program: str, *options: str, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        log = self._folder / f"{program}-{len(self._processes)}.log"
        command = [sys.executable, "-m", "dask", program, "--host", "127.0.0.1", "--no-dashboard", *options]
        with log.open("wb") as file:
            started = subprocess.Popen(
                command,
                cwd=self._folder,
                env={**os.environ, **self._environment, **environment},
                stdout=file,
                stderr=file,
            )
        self._processes.append(started)
        return started

    def _until(self, is_so: Callable[[], bool]) -> None:
        end = time.monotonic() + READY
        while not is_so():
            if time.monotonic() > end:
                raise TimeoutError(self.said_by_scheduler())
            time.sleep(0.05)

    @property
    def workers(self) -> list[subprocess.Popen[bytes]]:
        """All that were started."""
        return self._processes[1:]

    def said_by_scheduler(self) -> str:
        """The log of the scheduler."""
        return (self._folder / "scheduler-0.log").read_text()

    def wait_for_workers(self, count: int) -> None:
        """Wait until so many have been known to the scheduler."""
        self._until(lambda: self.said_by_scheduler().count("Register worker") >= count)

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()


@contextmanager
def dask_cluster(
    folder: Path, workers: int, environment: Mapping[str, str] | None = None, protocol: str = "tcp"
) -> Iterator[DaskCluster]:
    """Start a cluster whose workers are ready; the environment is that of scheduler and workers."""
    cluster = DaskCluster(folder, environment, protocol)
    try:
        for _ in range(workers):
            cluster.add_worker()
        cluster.wait_for_workers(workers)
        yield cluster
    finally:
        cluster.close()
