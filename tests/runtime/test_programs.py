"""Options of the programs that say where the work is done."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import pytest

from sse_twisted.runtime import cluster
from sse_twisted.runtime.executors import WorkError
from sse_twisted.runtime.programs import json_list
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


def chain(*errors: Exception) -> Exception:
    """Errors, each of which was caused by the next."""
    for error, cause in pairwise(errors):
        error.__cause__ = cause
    return errors[0]


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
        (["--cluster", ""], "cannot connect to the scheduler : "),
        (["--cluster", "http://127.0.0.1:1"], "unknown address scheme 'http'"),
        (
            ["--cluster", "tls://127.0.0.1:1"],
            "TLS needs certificates: set distributed.comm.tls in the configuration of Dask",
        ),
        (["--scheduler-file", "absent.json"], "scheduler file absent.json: No such file or directory"),
    ],
)
def test_a_scheduler_that_is_away_is_named(
    track: Path, options: list[str], why: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "CONNECT", 1.0)
    assert why in refusal(track, options, capsys)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n" * 9, "what listens there is no scheduler of Dask"),
        (b"", "what listens there closes the connection: it may want TLS, so try tls:// instead of tcp://"),
        (None, "what listens there does not answer within 1 s, so it is no scheduler of Dask"),
    ],
)
def test_a_stranger_at_the_address_is_told_of(
    track: Path,
    answer: bytes | None,
    why: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster, "CONNECT", 1.0)
    with stranger(answer) as address:
        assert refusal(track, ["--cluster", address], capsys).endswith(f"{address}: {why}\n")


def test_an_address_without_tls_is_refused_where_dask_requires_it(
    track: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import dask

    with dask.config.set({"distributed.comm.require-encryption": True}):
        assert "encryption required by Dask configuration" in refusal(track, ["--cluster", "tcp://127.0.0.1:1"], capsys)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (
            chain(OSError("Timed out"), OSError("in <TCP>"), ConnectionRefusedError(111, "Connection refused")),
            "Connection refused",
        ),
        (chain(OSError("Timed out after 1 s"), TimeoutError()), "Timed out after 1 s"),
        (chain(OSError("before comm"), OSError("TLS certificate does not match")), "TLS certificate does not match"),
        (chain(OSError("before comm"), OSError()), "OSError"),
        (FileNotFoundError(2, "absent"), "a certificate or key does not exist: see " + cluster.TLS),
    ],
)
def test_the_reason_is_that_of_the_first_error(error: Exception, why: str) -> None:
    assert cluster.reason_of(error) == why


@contextmanager
def stranger(answer: bytes | None) -> Iterator[str]:
    """Listen at an address. Each client gets the answer; b"" resets the connection, None is silence."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = server.accept()
                    client.sendall(answer or b"")
                    client.recv(1)
                    if not answer:
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    client.close()

        thread = threading.Thread(target=serve, daemon=True)
        if answer is not None:
            thread.start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        if answer is not None:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def refusal(track: Path, options: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that says why there is no cluster."""
    assert main([str(track), *options]) == 2
    out, errors = capsys.readouterr()
    assert errors.startswith("sse-track: ")
    assert errors.count("\n") == 1
    assert out == ""
    return errors


@pytest.mark.parametrize("options", [[], ["--json"], ["--json-lines"]])
def test_an_output_that_cannot_be_written_is_an_error_with_its_reason(track: Path, options: list[str]) -> None:
    command = [sys.executable, "-m", "sse_twisted.tracks.command", str(track), *options]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "sse-track: the output is not complete: No space left on device\n",
    )


def test_a_list_after_an_error_has_whole_lines_and_no_end(capsys: pytest.CaptureFixture[str]) -> None:
    with suppress(WorkError), json_list() as add:
        add("1")
        add("2")
        raise WorkError
    assert capsys.readouterr().out == "[\n1,\n2\n"


def test_a_list_with_nothing_in_it_is_json_unless_there_was_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with json_list():
        pass
    assert capsys.readouterr().out == "[]\n"
    with pytest.raises(WorkError), json_list():
        raise WorkError
    assert capsys.readouterr().out == ""
