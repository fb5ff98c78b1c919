"""Processes that work for the benchmark: they take commands and give answers, one JSON object a line."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from twisted.internet.stdio import StandardIO
from twisted.logger import globalLogBeginner, textFileLogObserver
from twisted.protocols.basic import LineReceiver

Message = dict[str, Any]
Handlers = dict[str, Callable[..., object]]

PATIENCE: Final = 60.0  # s for what takes a few at most
_PROJECT: Final = Path(__file__).resolve().parents[2]


class PartnerError(RuntimeError):
    """A process did not do what it was asked for; the message has the end of its log."""


class Partner:
    """A process as seen by who started it."""

    def __init__(self, module: str, log: Path) -> None:
        """`module` is run; what it writes to its standard error goes to `log`."""
        self._log = log
        self._messages: list[Message] = []
        self._news = threading.Condition()
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module],
                cwd=_PROJECT,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def notify(self, command: str, **arguments: Any) -> None:
        """Give a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"command": command} | arguments) + "\n")
        self._process.stdin.flush()

    def ask(self, command: str, **arguments: Any) -> Message:
        """Give a command and wait for its answer, the message of this kind that comes next."""
        before = len(self.said(command))
        self.notify(command, **arguments)
        return self.until(command, lambda messages: len(messages) > before)[-1]

    def said(self, kind: str) -> list[Message]:
        """All messages of a kind so far."""
        with self._news:
            return [message for message in self._messages if message["kind"] == kind]

    def until(self, kind: str, enough: Callable[[list[Message]], bool], patience: float = PATIENCE) -> list[Message]:
        """Wait until the messages of a kind are enough; raises PartnerError after `patience` s or if it ends."""
        deadline = time.monotonic() + patience
        with self._news:
            while not enough(messages := [message for message in self._messages if message["kind"] == kind]):
                left = deadline - time.monotonic()
                if left <= 0 or not self._reader.is_alive():
                    raise PartnerError(f"{len(messages)} x {kind!r} within {patience:g} s, then:\n{self._end_of_log()}")
                self._news.wait(min(left, 1.0))
        return messages

    def end(self) -> None:
        """Close its input, at which it ends, and wait until it has ended."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise PartnerError(f"a process that does not end:\n{self._end_of_log()}") from None
        finally:
            self._process.wait()
            self._reader.join()
            assert self._process.stdout is not None
            self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._news:
                self._messages.append(json.loads(line))
                self._news.notify_all()

    def _end_of_log(self) -> str:
        return self._log.read_text(errors="replace")[-3000:]


@contextmanager
def partner(module: str, log: Path, **plan: Any) -> Iterator[Partner]:
    """A process that has done as its plan says; it ends with the block."""
    process = Partner(module, log)
    try:
        process.ask("prepare", **plan)
        yield process
    finally:
        process.end()


class Commands(LineReceiver):
    """The same conversation as seen by the process: each command is a method, the end of the input is the end."""

    delimiter = b"\n"
    MAX_LENGTH = 1 << 20

    def __init__(self, reactor: Any, handlers: Handlers, end: Callable[[], object]) -> None:
        """A handler gets the command's arguments by name; what it gives, if it is a dict, is the answer."""
        self._handlers = handlers
        self._end = end
        self._io = StandardIO(self, reactor=reactor)

    def lineReceived(self, line: bytes) -> None:  # noqa: N802 - called by LineReceiver
        """Obey."""
        arguments = json.loads(line)
        command = arguments.pop("command")
        answer = self._handlers[command](**arguments)
        if isinstance(answer, dict):
            self.say(command, **answer)

    def say(self, kind: str, **message: Any) -> None:
        """Tell something."""
        self.sendLine(json.dumps({"kind": kind} | message).encode())

    def connectionLost(self, reason: object = None) -> None:
        """End."""
        self._end()


def run(make: Callable[[Any], object]) -> None:
    """Run a reactor with what `make` does in it, until that stops it."""
    from twisted.internet import reactor as installed

    globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stderr)], redirectStandardIO=False)
    reactor: Any = installed
    make(reactor)
    reactor.run()


def usage() -> Message:
    """Processor time of this process in s, its memory now and at most in MB, open descriptors, the moment in s."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {"cpu": used.ru_utime + used.ru_stime, **_memory(), "open": _open(), "at": time.monotonic()}


def _open() -> int:
    try:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())
    except OSError:  # not Linux
        return 0


def _memory() -> dict[str, float]:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:  # not Linux
        return {"rss": float("nan"), "peak": float("nan")}
    fields = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    return {"rss": int(fields["VmRSS"][0]) / 1000, "peak": int(fields["VmHWM"][0]) / 1000}
