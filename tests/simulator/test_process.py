"""`twistd sse-simulator` as a process of its own, from another folder: the package has to be installed."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

PATIENCE = 60.0
"""Seconds after which a process that hangs is given up; no test waits so long when all is well."""


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "sse-simulator", *arguments]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        found = re.search(pattern, line)
        if found:
            return found
    raise AssertionError("".join(lines))


def get_json(address: str, path: str) -> Any:
    with urlopen(f"http://{address}{path}", timeout=PATIENCE) as answer:
        return json.load(answer)


def test_twistd_starts_a_simulator_that_answers_and_ends_when_asked_to(tmp_path: Path) -> None:
    with running(tmp_path, "--interface", "127.0.0.1", "--port", "0", "--devices", "1", "--size", "100") as process:
        address = read_until(process, r"motion-601 is at (127\.0\.0\.1:\d+)")[1]
        assert get_json(address, "/info.json")["motion"]["identifier"] == 601
        (entry,) = get_json(address, "/logs.json")["logs"]
        with urlopen(f"http://{address}{entry['file']}", timeout=PATIENCE) as answer:
            assert len(answer.read()) == entry["size"] - 1024
        process.send_signal(signal.SIGTERM)
        read_until(process, r"Server Shut Down")
        assert process.wait(PATIENCE) == -signal.SIGTERM


def refusal(tmp_path: Path, *arguments: str) -> str:
    """What it prints when it ends at once, with status 1."""
    with running(tmp_path, *arguments) as process:
        output, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 1
    return output


def test_a_bad_value_is_one_line_and_ends_it(tmp_path: Path) -> None:
    for arguments, message in (
        (("--fault", "cutt@5"), "unknown fault 'cutt' (did you mean 'cut'?)"),
        (("--captures", "/nowhere"), "no fleet: no motion-<id> folder in /nowhere/motions"),
    ):
        (line,) = refusal(tmp_path, *arguments).splitlines()
        assert line.startswith(f"twistd sse-simulator: {message}")


def test_a_port_in_use_is_one_line_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        output = refusal(tmp_path, "--interface", "127.0.0.1", "--port", str(port), "--devices", "1")
    assert output == (
        f"twistd sse-simulator: cannot listen on 127.0.0.1:{port} (Address already in use): "
        "choose another --port, or end the program that uses it\n"
    )


def test_so_is_the_port_of_its_name_server(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        place = ("--interface", "127.0.0.1", "--port", "0", "--dns-port", str(port))
        output = refusal(tmp_path, *place, "--devices", "1")
    assert output == (
        f"twistd sse-simulator: cannot listen on 127.0.0.1:{port} (Address already in use): "
        "choose another --dns-port, or end the program that uses it\n"
    )


def test_help_helps(tmp_path: Path) -> None:
    with running(tmp_path, "--help") as process:
        output, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
    assert "--fault" in output
    assert "closes after byte BYTE of the body" in output
