from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogEvent, Logger, formatEvent

from sse_twisted.console.accounts import AccountsError, read_accounts
from sse_twisted.console.endpoints import Access
from sse_twisted.console.service import PASSWORD, ConsoleService
from sse_twisted.control.commands import Commands
from sse_twisted.runtime.disk import Disk
from tests.support.virtual import at_once

HERE = "tcp:6023:interface=127.0.0.1"


class TakenPort(MemoryReactorClock):
    """A reactor that can't listen."""

    def listenTCP(self, *arguments: Any, **options: Any) -> Any:
        raise CannotListenError("127.0.0.1", 6023, OSError(98, "Address already in use"))


class Desk:
    """A console in a folder, and the lines of its log."""

    def __init__(self, folder: Path, access: Access, reactor: Any = None) -> None:
        self.lines: list[str] = []
        self.password = folder / PASSWORD
        log = Logger(observer=self._note)  # type: ignore[arg-type]  # a function is an observer
        commands = cast(Commands, None)  # that no session asks for
        reactor = reactor or MemoryReactorClock()
        disk = Disk(at_once, reactor, log, lambda: None)
        self.service = ConsoleService(reactor, access, lambda: folder, commands, {}, disk, log)

    def _note(self, event: LogEvent) -> None:
        self.lines.append(f"{event['log_level'].name} {formatEvent(event)}")


def test_the_log_says_where_the_console_is_and_the_password_goes_when_it_stops(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Access(telnet=HERE))
    desk.service.startService()
    (line,) = desk.lines
    assert line.startswith("info Console listening at ")
    assert line.endswith(f" 6023 by telnet: user sse, password in {desk.password}")
    assert list(read_accounts(desk.password)) == ["sse"]
    desk.service.stopService()
    assert not desk.password.exists()


def test_a_port_in_use_disables_the_console_and_leaves_no_password(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Access(telnet=HERE), TakenPort())
    desk.service.startService()
    (line,) = desk.lines
    assert line.startswith(f"error Console disabled: cannot listen on {HERE} ([Errno 98] Address already in use)")
    assert line.endswith("Collection continues; set --manhole to choose another address")
    assert not desk.password.exists()


def test_a_console_that_was_asked_for_must_listen(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Access(telnet=HERE, must_listen=True), TakenPort())
    with pytest.raises(CannotListenError):
        desk.service.startService()
    assert not desk.password.exists()


def test_a_password_file_that_others_can_read_disables_the_console(tmp_path: Path) -> None:
    passwords = tmp_path / "passwd"
    passwords.write_text("ada:x\n")
    passwords.chmod(0o644)
    desk = Desk(tmp_path, Access(telnet=HERE, passwords=passwords))
    desk.service.startService()
    assert f"Console disabled: {passwords}: mode 0644" in desk.lines[0]
    must = Desk(tmp_path, Access(telnet=HERE, passwords=passwords, must_listen=True))
    with pytest.raises(AccountsError):
        must.service.startService()
