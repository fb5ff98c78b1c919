"""The command line shared by collector and simulator."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from twisted.python import usage
from twisted.python.util import switchUID

from sse_twisted import __version__

DEFAULT_PID_FILE = "twistd.pid"  # twistd's own, in the folder in which it was started


class Options(usage.Options):
    """Options of a plugin. A mistake ends twistd or twist with one line on stderr and status 1.

    Both would print their whole help before that line. Without a parent, as in a test, UsageError is raised.
    """

    def opt_version(self) -> None:
        """Show the version and exit."""
        print(f"sse_twisted {__version__}")
        sys.exit(0)

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse the arguments; raises UsageError, or SystemExit below twistd."""
        with self.mistakes_in_one_line():
            super().parseOptions(options)
            self._survive_a_pid_file()

    @contextmanager
    def mistakes_in_one_line(self) -> Iterator[None]:
        """Turn a UsageError into a line on stderr and SystemExit, below twistd."""
        try:
            yield
        except usage.UsageError as error:
            if self.parent is None:
                raise
            print(f"{Path(sys.argv[0]).name} {self.parent.subCommand}: {error}", file=sys.stderr)
            sys.exit(1)

    def _survive_a_pid_file(self) -> None:
        """Keep a pid file that a power cut left from stopping the start.

        In the foreground twistd gets none, unless --pidfile names one: it would refuse to start beside another program
        that was started in the same folder. In the background a file is removed that names no running twistd; twistd
        itself refuses an empty one, and one whose number another program has by now. Whether a collector runs is told
        by the lock of its event folder.
        """
        if self.parent is None or not (file := self.parent.get("pidfile")):
            return
        if file == DEFAULT_PID_FILE and self.parent.get("nodaemon"):
            self.parent["pidfile"] = ""
        elif not _names_twistd(Path(file)):
            with suppress(FileNotFoundError):
                Path(file).unlink()

    @contextmanager
    def acting_as_the_daemon(self) -> Iterator[None]:
        """Run a block as the user and group of twistd's --uid and --gid; raises UsageError if that is not allowed."""
        uid, gid = (self.parent.get(name) if self.parent is not None else None for name in ("uid", "gid"))
        before = os.geteuid(), os.getegid(), os.getgroups()
        try:
            try:
                if uid is not None and gid is None:
                    gid = pwd.getpwuid(uid).pw_gid
                switchUID(None if uid == before[0] else uid, gid, euid=True)
            except KeyError:
                raise usage.UsageError(f"--uid {uid}: no such user") from None
            except OSError as error:
                raise usage.UsageError(f"cannot change to user {uid}, group {gid}: {error.strerror}") from None
            yield
        finally:
            os.seteuid(before[0])
            if os.getgroups() != before[2]:  # only root may call it, even without a change
                os.setgroups(before[2])
            if os.getegid() != before[1]:
                os.setegid(before[1])


def _names_twistd(pid_file: Path) -> bool:
    """Whether a pid file may be that of a running twistd; where there is no /proc, any running process may be one."""
    try:
        with pid_file.open("rb") as file:
            number = int(file.read(20))
        if number <= 0:
            return False
        os.kill(number, 0)
    except (ValueError, OverflowError, ProcessLookupError, FileNotFoundError):
        return False
    except OSError:  # it cannot be read, or the process is another user's: twistd says so
        return True
    try:
        return b"twist" in Path(f"/proc/{number}/cmdline").read_bytes()
    except OSError:
        return True


def state_home() -> Path:
    """Return the folder of the acting user's state: the systemd unit's, or by the XDG rules; it may be missing."""
    if unit := os.environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(unit)
    if Path(xdg := os.environ.get("XDG_STATE_HOME", "")).is_absolute():
        return Path(xdg) / "sse_twisted"
    try:
        home = Path(pwd.getpwuid(os.geteuid()).pw_dir)  # $HOME is that of the user who started a daemon with --uid
    except KeyError:
        home = Path.home()
    return home / ".local" / "state" / "sse_twisted"


def acting_user() -> str:
    """Return the name of the effective user, who opens files now."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"
