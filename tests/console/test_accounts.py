from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.task import Clock
from twisted.logger import LogEvent, Logger, formatEvent
from twisted.python.failure import Failure

from sse_twisted.console.accounts import (
    FORGET_AFTER,
    MAX_DELAY,
    MAX_KNOWN,
    MAX_WAITING,
    AccountsError,
    LoginBackoff,
    PasswordChecker,
    TooSoon,
    random_account,
    read_accounts,
)


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_file_has_a_line_for_each_user(tmp_path: Path) -> None:
    file = written(tmp_path / "passwd", "# the two of us\nada:with:colons\n\nbryn:x\n")
    assert read_accounts(file) == {"ada": "with:colons", "bryn": "x"}


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        ("ada:x\n", 0o644, "mode 0644"),
        ("ada:x\n", 0o620, "mode 0620"),
        ("ada\n", 0o600, "line 1: expected user:password"),
        ("ada:\n", 0o600, "line 1: expected user:password"),
        ("# nobody\n", 0o600, "no accounts: expected lines user:password"),
    ],
)
def test_a_file_that_can_not_be_trusted_is_refused_in_one_line(tmp_path: Path, text: str, mode: int, why: str) -> None:
    file = written(tmp_path / "passwd", text, mode)
    with pytest.raises(AccountsError) as error:
        read_accounts(file)
    assert str(error.value).startswith(f"{file}: {why}")
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AccountsError, match="No such file"):
        read_accounts(tmp_path / "passwd")


def test_the_password_of_a_run_is_for_its_user_alone_and_another_one_each_time(tmp_path: Path) -> None:
    file = tmp_path / "state" / "console.password"
    first = random_account(file)
    assert read_accounts(file) == first
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    file.chmod(0o644)
    second = random_account(file)
    assert first != second
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


class Connection:
    """One of a client."""


class Logins:
    """A checker with one user, and the lines of its log."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.lines: list[str] = []
        log = Logger(observer=self._note)  # type: ignore[arg-type]  # a function is an observer
        self.backoff = LoginBackoff(self.clock, log)
        self.checker = PasswordChecker({"sse": "right"}, self.backoff)

    def tries(
        self, user: bytes, password: bytes, client: str = "192.168.0.7", connection: Connection | None = None
    ) -> list[object]:
        """The reply to a login, in a list that is empty until it comes; by a connection of its own if none is named."""
        answer: list[object] = []
        credentials: Any = UsernamePassword(user, password)
        credentials.client, credentials.connection = client, connection or Connection()
        self.checker.requestAvatarId(credentials).addBoth(answer.append)
        return answer

    def _note(self, event: LogEvent) -> None:
        self.lines.append(formatEvent(event))


def is_refused(answer: list[object]) -> bool:
    return bool(answer) and isinstance(answer[0], Failure) and bool(answer[0].check(UnauthorizedLogin))


def test_the_right_password_is_answered_at_once() -> None:
    assert Logins().tries(b"sse", b"right") == [b"sse"]


def test_each_wrong_password_is_logged_and_answered_later_than_the_one_before() -> None:
    logins = Logins()
    for delay in (1.0, 2.0, 4.0, 8.0, 16.0, MAX_DELAY, MAX_DELAY):
        answer = logins.tries(b"sse", b"wrong")
        assert logins.lines[-1].endswith(f"reply delayed by {delay:g} s")
        logins.clock.advance(delay - 0.1)
        assert not answer
        logins.clock.advance(0.2)
        assert is_refused(answer)
    logins.tries(b"sse", b"right")
    logins.tries(b"sse", b"wrong")
    assert logins.lines[-1].endswith("reply delayed by 1 s")


@pytest.mark.parametrize("user", [b"root", b"", b"sse\n", b"\xff\x00", b"x" * 500])
def test_an_unknown_user_is_refused_like_a_wrong_password(user: bytes) -> None:
    logins = Logins()
    answer = logins.tries(user, b"x")
    logins.clock.advance(1)
    assert is_refused(answer)
    assert logins.lines[0].isprintable()
    assert "x" * 100 not in logins.lines[0]


def is_too_soon(answer: list[object], seconds: int) -> bool:
    (failure,) = answer
    assert isinstance(failure, Failure)
    said = f"Too many wrong passwords from this address: try again in {seconds} s"
    return bool(failure.check(TooSoon)) and failure.getErrorMessage() == said


def test_the_right_password_is_refused_while_the_delay_lasts_and_accepted_after_it() -> None:
    logins = Logins()
    for _ in range(3):
        logins.tries(b"sse", b"wrong")
        logins.clock.advance(4)
    logins.tries(b"sse", b"wrong")
    for left in range(8, 0, -1):
        assert is_too_soon(logins.tries(b"sse", b"right"), left)
        logins.clock.advance(1)
    assert logins.tries(b"sse", b"right") == [b"sse"]


def test_a_login_that_is_refused_during_a_delay_does_not_make_it_longer() -> None:
    logins = Logins()
    logins.tries(b"sse", b"wrong")
    for _ in range(100):
        assert is_too_soon(logins.tries(b"sse", b"wrong"), 1)
    logins.clock.advance(1)
    logins.tries(b"sse", b"wrong")
    assert logins.lines[-1].endswith("reply delayed by 2 s")


@pytest.mark.parametrize("first", [b"right", b"wrong"])
def test_an_attacker_at_the_same_address_does_not_keep_out_an_owner_who_stays_connected(first: bytes) -> None:
    logins, owner = Logins(), Connection()
    for _ in range(20):
        logins.tries(b"sse", b"wrong")
        logins.clock.advance(MAX_DELAY / 2)
    logins.tries(b"sse", b"wrong")
    assert logins.tries(b"sse", first, connection=owner) != [b"sse"]
    for _ in range(int(8 * MAX_DELAY)):
        logins.tries(b"sse", b"wrong")
        logins.clock.advance(0.125)
    assert logins.tries(b"sse", b"right", connection=owner) == [b"sse"]


def test_a_connection_that_was_refused_has_one_login_looked_at() -> None:
    logins, guest = Logins(), Connection()
    logins.tries(b"sse", b"wrong")
    assert is_too_soon(logins.tries(b"sse", b"wrong", connection=guest), 1)
    logins.clock.advance(1)
    logins.tries(b"sse", b"wrong")
    assert not logins.tries(b"sse", b"wrong", connection=guest)
    assert is_too_soon(logins.tries(b"sse", b"right", connection=guest), 4)


def test_only_so_many_connections_have_a_turn_after_a_delay() -> None:
    logins = Logins()
    connections = [Connection() for _ in range(MAX_WAITING + 5)]
    logins.tries(b"sse", b"wrong")
    for connection in connections:
        logins.tries(b"sse", b"wrong", connection=connection)
    logins.clock.advance(1)
    logins.tries(b"sse", b"wrong")
    replies = [logins.tries(b"sse", b"wrong", connection=connection) for connection in connections]
    assert len([reply for reply in replies if not reply]) == MAX_WAITING


def test_guessing_is_slow_and_told_seldom() -> None:
    """As many guesses at a time as there may be connections, again and again."""
    logins = Logins()
    for _ in range(4 * 600):
        for _ in range(3):
            logins.tries(b"sse", b"wrong")
        logins.clock.advance(0.25)
    (failures,) = logins.backoff._failures.values()
    assert failures.count < 600 / MAX_DELAY + 8
    assert len(logins.lines) < 50
    assert not failures.turns


def test_an_attacker_does_not_lock_out_another_client() -> None:
    logins = Logins()
    for _ in range(1000):
        logins.tries(b"sse", b"wrong", "192.168.0.7")
        assert logins.tries(b"sse", b"right", "192.168.0.8") == [b"sse"]
        logins.clock.advance(0.25)
    assert logins.tries(b"sse", b"right", "192.168.0.7") != [b"sse"]


def test_guesses_for_one_account_do_not_delay_another() -> None:
    logins = Logins()
    for number in range(3):
        logins.tries(b"unknown %d" % number, b"x")
    assert len(logins.lines) == 1, "unknown accounts count as one"
    assert logins.tries(b"sse", b"right") == [b"sse"]


def test_the_thousandth_wrong_password_is_answered_as_the_tenth() -> None:
    logins = Logins()
    for _ in range(1100):
        answer = logins.tries(b"sse", b"wrong")
        logins.clock.advance(MAX_DELAY)
        assert is_refused(answer)


def test_failures_are_forgotten_after_a_while() -> None:
    logins = Logins()
    for _ in range(3):
        logins.tries(b"sse", b"wrong")
        logins.clock.advance(MAX_DELAY)
    logins.clock.advance(FORGET_AFTER)
    logins.tries(b"sse", b"wrong")
    assert logins.lines[-1].endswith("reply delayed by 1 s")


def test_the_memory_of_failures_is_bounded() -> None:
    logins = Logins()
    for number in range(MAX_KNOWN + 100):
        logins.tries(b"sse", b"wrong", f"10.0.{number // 250}.{number % 250}")
    assert len(logins.backoff._failures) == MAX_KNOWN
    logins.backoff.close()


def test_closing_refuses_pending_logins_at_once() -> None:
    logins = Logins()
    answer = logins.tries(b"sse", b"wrong")
    late = logins.tries(b"sse", b"right")
    logins.backoff.close()
    assert is_refused(answer)
    assert is_too_soon(late, 1)
    assert not logins.clock.getDelayedCalls()
