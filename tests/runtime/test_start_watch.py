"""Signals during a start; each is a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

# The first thread waits in a call that no signal interrupts, like one for a disk that hangs: it sleeps in C.
START = """
import ctypes, signal, sys
from pathlib import Path
from twisted.logger import Logger, formatEvent
from sse_twisted.runtime import start_watch
start_watch.MAX_WAIT = 0.1 if "hangs" in sys.argv else 600
handled = []
def say(event):
    print(formatEvent(event), flush=True)
if "handler" in sys.argv:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: handled.append(int(number)))
status = 0 if "status" in sys.argv else None
watch = start_watch.StartWatch(lambda: (Path(),), Logger(observer=say), status)
watch.begin()
print("begun", flush=True)
if "hangs" in sys.argv:
    libc = ctypes.CDLL(None)
    while True:
        libc.sleep(600)
sys.stdin.readline()
watch.end()
print("handled", handled, flush=True)
"""


class Start:
    """A process that starts, with its output so far."""

    def __init__(self, *how: str) -> None:
        command = [sys.executable, "-c", START, *how]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        assert self.process.stdout.readline() == "begun\n"

    def ends(self, text: str = "") -> tuple[int, str]:
        output, _ = self.process.communicate(text, timeout=60)
        return self.process.returncode, output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_start_whose_first_thread_hangs(number: signal.Signals) -> None:
    start = Start("hangs", "handler")
    start.process.send_signal(number)
    status, output = start.ends()
    assert status == 128 + number
    assert f"Start ended by {number.name}" in output


def test_the_status_of_the_end_can_be_another() -> None:
    start = Start("hangs", "handler", "status")
    start.process.send_signal(signal.SIGTERM)
    assert start.ends()[0] == 0


def test_a_signal_without_a_handler_ends_a_start_at_once() -> None:
    start = Start()
    start.process.send_signal(signal.SIGTERM)
    assert start.process.wait(60) == -signal.SIGTERM
    start.ends()


def test_a_handler_is_called_if_the_first_thread_goes_on() -> None:
    start = Start("handler")
    start.process.send_signal(signal.SIGTERM)
    assert start.ends("go on\n") == (0, "handled [15]\n")
