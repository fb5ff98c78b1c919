"""The console of a daemon in demo mode, by the real `telnet` and the real `ssh`, as a person types."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import pexpect
import pytest
from attrs import frozen

from tests.support.daemon import PATIENCE, SCRIPTS

# A child of a process with threads might hang before it has become another program; telnet and ssh become that at once.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|c)")
Client: TypeAlias = "pexpect.spawn[str]"
WRONG = "Permission denied (publickey)"


@frozen
class Daemon:
    """`twistd sse --demo` with both ways in."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def says(self, pattern: str) -> str:
        """What the first group of a pattern of its log is, as soon as it is there."""
        end = time.monotonic() + PATIENCE
        while not (match := re.search(pattern, self.log)):
            assert self.process.poll() is None, self.log
            assert time.monotonic() < end, f"waited in vain for {pattern!r} in\n{self.log}"
            time.sleep(0.02)
        return match[match.lastindex or 0]

    @property
    def password(self) -> str:
        return Path(self.says(r"password in (\S+)")).read_text().strip().partition(":")[2]

    def telnet(self) -> Client:
        """A client that is asked for its user."""
        if shutil.which("telnet") is None:
            pytest.skip("no telnet here: apt-get install telnet")
        client = spawn("telnet", "127.0.0.1", self.says(r"at 127\.0\.0\.1 (\d+) by telnet"))
        client.expect("Username: ")
        return client

    def ssh(self, key: str) -> Client:
        """A client with a key."""
        return spawn(*self.ssh_arguments(key))

    def ssh_arguments(self, key: str) -> list[str]:
        """The command line of a client with a key."""
        options = ("IdentitiesOnly=yes", "StrictHostKeyChecking=accept-new", f"UserKnownHostsFile={self.folder}/known")
        port = self.says(r"at 127\.0\.0\.1 (\d+) by SSH")
        arguments = [part for option in options for part in ("-o", option)]
        return ["ssh", "-F", "none", *arguments, "-i", str(self.folder / key), "-p", port, "sse@127.0.0.1"]


def spawn(program: str, *arguments: str) -> Client:
    return pexpect.spawn(program, list(arguments), encoding="utf-8", timeout=PATIENCE, dimensions=(50, 120))


def asks(client: Client, line: str, until: str = ">>> ") -> str:
    """The answer to a line, up to the next prompt or another pattern."""
    client.send(line + "\r")
    client.expect(r"\r\n")
    client.expect(until)
    return ESCAPES.sub("", str(client.before) + str(client.after))


def log_in(client: Client, password: str) -> None:
    client.sendline("sse")
    client.expect("Password: ")
    client.sendline(password)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("console")
    if shutil.which("ssh-keygen"):
        for name in ("key", "stranger"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        shutil.copy(folder / "key.pub", folder / "authorized_keys")
    else:
        (folder / "authorized_keys").touch()
    (folder / "authorized_keys").chmod(0o600)
    here = "tcp:0:interface=127.0.0.1"
    command = [str(SCRIPTS / "twistd"), "-n", "--pidfile=", "sse", "--demo", "--demo-devices", "60"]
    command += ["--event", str(folder / "event"), "--manhole-keys", str(folder / "authorized_keys")]
    command += ["--manhole", here, "--manhole-ssh", here]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder)
    running = Daemon(process, folder)
    yield running
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    for worrying in ("Traceback", "#critical", "Unhandled"):
        assert worrying not in running.log
    assert not (folder / "event" / ".sse_twisted" / "console.password").exists()


@pytest.fixture
def telnet(daemon: Daemon) -> Client:
    """A client that has logged in."""
    client = daemon.telnet()
    log_in(client, daemon.password)
    client.expect(">>> ")
    return client


@pytest.fixture
def ssh() -> None:
    if shutil.which("ssh") is None or shutil.which("ssh-keygen") is None:
        pytest.skip("no ssh here: apt-get install openssh-client")


def test_telnet_sees_the_fleet_and_steers_it(daemon: Daemon, telnet: Client) -> None:
    assert "60 devices: " in asks(telnet, "fleet")
    number = int(daemon.says(r"motion-(\d+) is connected"))
    assert f"motion-{number}: " in asks(telnet, f"device({number})", rf"device\({number}\):[^>]*>>> ")
    answer = asks(telnet, "1/0")
    assert "ZeroDivisionError" in answer
    assert asks(telnet, f"why({number})").strip()
    asks(telnet, f"forget({number})")
    present = int(daemon.says(rf"(?s)motion-{number} visit reset on request.*motion-(\d+) is connected"))
    running = asks(telnet, f"retry {present}", r": motion-[^>]*>>> ")
    assert f"retry {present} is running; its outcome will be shown here" in running
    assert f"retry {present}: motion-{present} " in running
    telnet.send("a half line\x03")
    telnet.expect("KeyboardInterrupt")
    telnet.expect(">>> ")
    telnet.send("\x1b[A\r")  # the line before, again
    telnet.expect(f"retry {present}: motion-")
    telnet.send("\x04")
    telnet.expect(pexpect.EOF)


@pytest.mark.parametrize("word", ["exit", "quit"])
def test_telnet_ends_with_the_word_for_it(telnet: Client, word: str) -> None:
    telnet.send(f"{word}\r")
    telnet.expect(pexpect.EOF)


def test_the_line_of_the_password_file_is_enough_as_user(daemon: Daemon) -> None:
    client = daemon.telnet()
    client.sendline(f"sse:{daemon.password}")
    client.expect(">>> ")
    assert "42" in asks(client, "6*7")
    client.close()


@pytest.mark.parametrize("enter", [b"\r", b"\n", b"\r\n", b"\r\0"])
def test_a_hand_made_client_may_send_any_enter(daemon: Daemon, enter: bytes) -> None:
    port = int(daemon.says(r"at 127\.0\.0\.1 (\d+) by telnet"))
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        for line, answer in (("sse", b"Password"), (daemon.password, b">>> "), ("6*7", b"42\r\n>>> ")):
            connection.sendall(line.encode() + enter)
            heard = b""
            while answer not in heard and (more := connection.recv(4096)):
                heard += more
            assert answer in heard


@pytest.mark.usefixtures("ssh")
@pytest.mark.parametrize(
    ("command", "status", "out", "err"),
    [
        ("fleet", 0, "60 devices: ", ""),
        ("explain(999)", 1, "", "error: motion-999 is not on the roster and was never seen\n"),
        ("missing", 0, "", ""),
        ("flet", 127, "", "error: unknown command flet; did you mean fleet?\n"),
        ("print('Zoë Ångström')", 0, "Zoë Ångström\n", ""),
        ("print('x' * 3_000_000)", 0, "x" * 3_000_000, ""),  # larger than the window of a channel
    ],
)
def test_ssh_runs_a_command_and_ends(daemon: Daemon, command: str, status: int, out: str, err: str) -> None:
    arguments = daemon.ssh_arguments("key")
    ended = subprocess.run([*arguments, "-q", command], capture_output=True, timeout=PATIENCE, check=False)
    assert (ended.returncode, ended.stderr.decode()) == (status, err)
    assert out in ended.stdout.decode()
    assert b"\x1b" not in ended.stdout
    assert b"\r" not in ended.stdout


def test_a_wrong_password_and_the_accounts_of_the_system_are_refused_and_not_shown(daemon: Daemon) -> None:
    client = daemon.telnet()
    for user, password in (("root", "x"), ("sse", "a wrong one")):
        client.sendline(user)
        client.expect("Password: ")
        client.sendline(password)
        client.expect("Login incorrect")
        assert password not in str(client.before)
        client.expect("Username: ")
        assert daemon.says(rf"Console: wrong password for '{user}'; reply delayed by \d+ s")
    client.close()


def test_the_password_is_in_a_file_for_its_user_alone_and_not_in_the_log(daemon: Daemon) -> None:
    file = Path(daemon.says(r"password in (\S+)"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert daemon.password not in daemon.log


def test_a_lost_connection_does_not_disturb_other_sessions(daemon: Daemon, telnet: Client) -> None:
    port = int(daemon.says(r"at 127\.0\.0\.1 (\d+) by telnet"))
    for words in (b"", b"sse\r\n", b"\xff\x00", b"GET / HTTP/1.0\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(words)
    assert "42" in asks(telnet, "6*7")
    telnet.close()


@pytest.mark.usefixtures("ssh")
def test_ssh_with_a_key_gets_in_and_a_resized_window_does_no_harm(daemon: Daemon) -> None:
    client = daemon.ssh("key")
    client.expect(">>> ")
    assert "60 devices: " in asks(client, "fleet")
    client.setwinsize(30, 100)
    assert "error: motion-999 is not on the roster" in asks(client, "why(999)")
    client.send("\x04")
    client.expect(pexpect.EOF)
    client.close()
    assert client.exitstatus == 0
    key = daemon.folder / "event" / ".sse_twisted" / "ssh_host_ed25519_key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert "ssh-ed25519" in (daemon.folder / "known").read_text()


@pytest.mark.usefixtures("ssh")
def test_ssh_with_another_key_stays_out(daemon: Daemon) -> None:
    client = daemon.ssh("stranger")
    client.expect_exact(WRONG)
    client.close()
    assert daemon.says("Console: wrong key for 'sse'")


@pytest.mark.usefixtures("ssh")
def test_a_key_file_that_others_can_write_is_not_used(daemon: Daemon) -> None:
    keys = daemon.folder / "authorized_keys"
    keys.chmod(0o666)
    client = daemon.ssh("key")
    client.expect_exact(WRONG)
    client.close()
    keys.chmod(0o600)
    assert daemon.says("SSH logins are refused: .*mode 0666")


def test_no_password_is_taken_by_ssh(daemon: Daemon) -> None:
    port = int(daemon.says(r"at 127\.0\.0\.1 (\d+) by SSH"))
    with socket.create_connection(("127.0.0.1", port)) as connection:
        assert connection.recv(100).startswith(b"SSH-2.0-")
        connection.sendall(b"no ssh at all\r\n" * 100)
    if shutil.which("ssh"):
        options = (
            "-o",
            "PubkeyAuthentication=no",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
        )
        client = spawn("ssh", "-F", "none", *options, "-p", str(port), "sse@127.0.0.1")
        client.expect_exact(WRONG)
        client.close()
