"""The command line of `twistd sse`, in process: what it takes, what it refuses in one line, and what --check says."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from twisted.application.service import IServiceMaker, MultiService
from twisted.plugin import getPlugins
from twisted.python import usage
from twisted.python.usage import UsageError

import sse_twisted
from sse_twisted.config.printout import example
from sse_twisted.config.settings import SettingsError, read_settings
from sse_twisted.console.service import ConsoleService
from sse_twisted.daemon.check import folder_problem
from sse_twisted.daemon.collector import Collector
from sse_twisted.daemon.configuration import load_settings
from sse_twisted.daemon.options import Options
from sse_twisted.daemon.tap import makeService
from sse_twisted.event_folder.lock import FolderLock
from sse_twisted.runtime.gc_freeze import GcFreeze
from sse_twisted.runtime.log_output import LogOutputService
from sse_twisted.runtime.monotonic import MonotonicClock
from sse_twisted.runtime.signals import SignalService
from sse_twisted.runtime.systemd import ReadinessService
from sse_twisted.web.service import WebService

ROSTER = """\
Entrant ID,Tally,Motion ID,Start Date,End Date,File ID,First Name,Family Name
1,101,601,2022-10-15,2022-10-21,ABC101XYZ,Ada,Anchor
2,102,602,2022-10-15,2022-10-21,DEF102XYZ,Bryn,Bowline
"""


@pytest.fixture
def event(tmp_path: Path) -> Path:
    """An event folder as the organisers make it."""
    folder = tmp_path / "event"
    (folder / "config").mkdir(parents=True)
    (folder / "config" / "motions.csv").write_text(ROSTER)
    return folder


@pytest.fixture
def config(tmp_path: Path, event: Path) -> Path:
    """A configuration beside the event folder."""
    file = tmp_path / "sse.toml"
    file.write_text('[event]\nfolder = "event"\n')
    return file


def parsed(*arguments: object) -> Options:
    options = Options()
    options.parseOptions([str(argument) for argument in arguments])
    return options


def below_twistd(*arguments: object, **of_twistd: int) -> None:
    """Parse them as twistd does for a plugin."""
    options, above = Options(), usage.Options()
    above.subCommand = "sse"
    above.update(of_twistd)
    options.parent = above
    options.parseOptions([str(argument) for argument in arguments])


def refused(*arguments: object) -> str:
    """The message with which the arguments are refused: one line."""
    with pytest.raises(UsageError) as error:
        parsed(*arguments)
    message = str(error.value)
    assert message
    assert "\n" not in message
    return message


def checked(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[Any, list[str]]:
    """Exit status and lines of --check."""
    with pytest.raises(SystemExit) as ended:
        parsed(*arguments, "--check")
    return ended.value.code, capsys.readouterr().out.splitlines()


def check_that_it_is_refused(file: Path, message: str, root: Path) -> None:
    """With that message, which names the place, and before anything is made."""
    before = everything(root)
    answer = refused("--config", file)
    assert message in answer
    assert str(root) in answer
    assert everything(root) == before


def everything(folder: Path) -> dict[Path, bytes | None]:
    """All files and folders below."""
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


class TestOptions:
    def test_an_event_folder_is_enough(self, event: Path) -> None:
        assert parsed("--event", event).settings.event.folder == str(event)
        assert parsed("-e", event).settings.scan.interval == 1.0

    def test_a_configuration_names_the_event_folder_beside_it(
        self, event: Path, config: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir("/")
        assert parsed("--config", config).settings.event.folder == str(event)

    def test_the_original_configuration_is_taken_as_it_is(self, tmp_path: Path) -> None:
        file = tmp_path / "config" / "server.json"
        file.parent.mkdir()
        file.write_text('{"Event": "WSW 2022", "Threading": {"DetectionThreadPool": {"Interval": 7}}}')
        folder = tmp_path / "events" / "WSW 2022"
        folder.mkdir(parents=True)
        settings = parsed("--config", file).settings
        assert (settings.event.folder, settings.scan.interval) == (str(folder), 7)

    def test_the_event_folder_of_the_command_line_wins(self, config: Path, tmp_path: Path) -> None:
        other = tmp_path / "other"
        other.mkdir()
        config.write_text('[event]\nfolder = "event"\n[scan]\ninterval = 3\n')
        settings = parsed("--config", config, "--event", other).settings
        assert (settings.event.folder, settings.scan.interval) == (str(other), 3)

    def test_relative_paths_are_those_of_the_shell(self, event: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(event.parent)
        assert parsed("--event", "event").settings.event.folder == str(event)

    def test_the_version_is_that_of_the_package(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            parsed("--version")
        assert ended.value.code == 0
        assert capsys.readouterr().out == f"sse_twisted {sse_twisted.__version__}\n"

    def test_the_help_tells_every_option_and_what_signals_do(self) -> None:
        text = Options().getUsage(width=100)
        options = (
            "--config",
            "--event",
            "--web",
            "--web-token-file",
            "--demo",
            "--demo-devices",
            "--check",
            "--version",
        )
        for option in (*options, "--help"):
            assert option in text
        assert "SIGHUP reads the configuration again" in " ".join(text.split())
        assert max(map(len, text.splitlines())) <= 100


class TestCopies:
    def test_are_those_of_the_file_and_of_the_command_line(self, config: Path, tmp_path: Path) -> None:
        config.write_text('[event]\nfolder = "event"\n[copies]\nfolders = ["stick"]\n')
        settings = parsed("--config", config, "--copy", tmp_path / "a", "--copy", tmp_path / "b").settings
        assert settings.copies.folders == tuple(str(tmp_path / name) for name in ("stick", "a", "b"))

    def test_of_a_configuration_that_is_itself_a_copy_are_those_of_another_computer(self, event: Path) -> None:
        config = event / ".sse_twisted" / "configuration" / "sse.toml"
        config.parent.mkdir(parents=True)
        config.write_text('[event]\nfolder = "event"\n[copies]\nfolders = ["stick"]\n[scan]\ninterval = 3\n')
        settings = parsed("--config", config, "--event", event, "--copy", event.parent / "a").settings
        assert settings.copies.folders == (str(event.parent / "a"),)
        assert settings.scan.interval == 3

    @pytest.mark.parametrize(
        ("copies", "message"),
        [
            (["event/copy"], "it is inside the event folder"),
            (["event"], "it is the event folder itself"),
            (["."], "the event folder is inside it"),
            (["a", "a/b"], "are in each other"),
            (["a", "link"], "are the same folder"),
            (["link to event"], "it is the event folder itself"),
        ],
    )
    def test_that_cannot_be_are_refused(self, event: Path, tmp_path: Path, copies: list[str], message: str) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "link").symlink_to("a")
        (tmp_path / "link to event").symlink_to(event)
        folders = [word for copy in copies for word in ("--copy", str(tmp_path / copy))]
        assert message in refused("--event", str(event), *folders)

    def test_that_are_required_must_be_named(self, config: Path, tmp_path: Path) -> None:
        config.write_text('[event]\nfolder = "event"\n[copies]\nrequired = true\n')
        assert "copies.required is set, but there is no copy" in refused("--config", str(config))
        assert parsed("--config", config, "--copy", tmp_path / "a").settings.copies.required

    def test_on_a_disk_that_is_not_there_may_come_later(self, event: Path) -> None:
        assert parsed("--event", event, "--copy", "/media/nowhere/event").settings.copies.folders


class TestUsageErrors:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ([], "no event folder: pass --event DIR or --config FILE"),
            (["--nonsense"], "nonsense"),
            (["surplus"], "Wrong number of arguments"),
            (["--demo", "--demo-devices", "0"], "--demo-devices 0: expected 1 to 200"),
            (["--demo", "--demo-devices", "201"], "--demo-devices 201: expected 1 to 200"),
            (["--demo", "--demo-devices", "many"], "demo-devices"),
            (["--demo", "--check"], "leave out --config, --check and --copy"),
            (["--demo", "--config", "sse.toml"], "leave out --config, --check and --copy"),
            (["--demo", "--print-config"], "leave out --demo and --check"),
            (["--check", "--print-config"], "leave out --demo and --check"),
            (["--config", "/nowhere/sse.toml", "--print-config"], "/nowhere/sse.toml: No such file or directory"),
            (["--event", "", "--print-config"], "--event is empty"),
            (["--event", "/a\udcff", "--print-config"], "'/a\\udcff' is not UTF-8"),
            (["--event", "/nowhere/at/all"], "/nowhere/at/all: no such event folder"),
            (["--event", ""], "--event"),
            (["--demo", "--web", "nonsense:8080"], "the board: invalid endpoint 'nonsense:8080'"),
            (["--demo", "--web", "tcp:many"], "the board: invalid endpoint 'tcp:many'"),
            (["--demo", "--web", "tcp:99999"], "the board: invalid endpoint 'tcp:99999': port 99999 is above 65535"),
            (["--demo", "--web", ""], "the board: invalid endpoint ''"),
            (["--demo", "--web", "8080"], "the board: invalid endpoint '8080': write tcp:8080:interface=127.0.0.1 for"),
            (["--demo", "--manhole", "4040"], "invalid endpoint '4040': write tcp:4040:interface=127.0.0.1"),
            (["--demo", "--manhole-ssh", "4022"], "invalid endpoint '4022': write tcp:4022:interface=127.0.0.1 for"),
            (["--demo", "--web-token-file", "/nowhere/token"], "the board: /nowhere/token: No such file"),
            (["--config", "/nowhere/sse.toml"], "/nowhere/sse.toml: No such file or directory"),
            (["--config", "/nowhere/server.json"], "/nowhere/server.json: No such file or directory"),
        ],
    )
    def test_impossible_arguments_are_refused(self, arguments: list[str], message: str) -> None:
        assert message in refused(*arguments)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("[scan\n", "line 1"),
            ("[scan]\nintervall = 3\n", "scan: Object contains unknown field `intervall`"),
            ("[scna]\ninterval = 3\n", "Object contains unknown field `scna`"),
            ("[scan]\ninterval = 'often'\n", "scan.interval: Expected `float`, got `str`"),
            ("[scan]\ninterval = 0\n", "scan.interval: Expected `float` >= 0.1"),
            ("[scan]\ninterval = nan\n", "scan.interval"),
            ("[scan]\ninterval = inf\n", "scan.interval"),
            ("scan = 3\n", "scan: Expected `object`, got `int`"),
            ("[downloads]\nlimit = 0\n", "downloads.limit: Expected `int` >= 1"),
            ("[downloads]\nlimit = 2.5\n", "downloads.limit: Expected `int`, got `float`"),
            ("[downloads]\nfirst_retry = 90\n", "downloads.last_retry is shorter than downloads.first_retry"),
            ("[expected]\nbattery = 101\n", "expected.battery: Expected `int` <= 100"),
            ("[log]\nfile = 'loud'\n", "log.file: invalid value 'loud'; allowed: debug, info, warning, "),
            ("[devices]\nport = 65536\n", "devices.port: Expected `int` <= 65535"),
            ("[devices.addresses]\nsailor = '10.0.0.1'\n", "devices.addresses: 'sailor' is not a device name"),
            ("[devices.addresses]\nmotion-601 = 'a b'\n", "devices.addresses.motion-601: 'a b' is not a valid address"),
            ("[names]\nservers = ['10.0.0.1:0']\n", "names.servers: '10.0.0.1:0' is not a valid address"),
            ("[event]\nfirst_day = 2022-10-15\n", "event.first_day and event.last_day: set both or neither"),
            ("[event]\nfirst_day = 2022-10-15\nlast_day = 2022-10-14\n", "event.last_day is before event.first_day"),
            ("[event]\nfolder = 7\n", "event.folder: Expected `str`, got `int`"),
            ("[scan]\ninterval = 3\n", "event.folder is not set: pass --event DIR"),
            ('[event]\nfolder = "nowhere"\n', "nowhere: no such event folder"),
        ],
    )
    def test_a_mistake_in_sse_toml_is_one_line_with_file_and_key(self, tmp_path: Path, text: str, message: str) -> None:
        file = tmp_path / "sse.toml"
        file.write_text(text)
        check_that_it_is_refused(file, message, tmp_path)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{", "invalid JSON"),
            ("[]", "expected a JSON object"),
            ('{"Event": "WSW",}', "line 1: invalid JSON: no comma is allowed before } or ]"),
            ('{"Event": "WSW", "Filters": 1}', "Filters: expected an object"),
            ('{"Event": "../elsewhere"}', "Event: expected the name of a folder, got '../elsewhere'"),
            ('{"Event": [7]}', "Event: expected the name of a folder, got [7]"),
            ('{"Event": "WSW", "Logging": {"File Level": 25}}', "Logging.File Level: expected 10, 20, 30, 40 or 50"),
            ('{"Event": "WSW", "Filters": {"500m Best": "fast"}}', "Filters.500m Best: Expected `float`, got `str`"),
            (
                '{"Event": "WSW", "Threading": {"DetectionThreadPool": {"Threads": 0}}}',
                "Threading.DetectionThreadPool.Threads: Expected `int` >= 1",
            ),
            (
                '{"Event": "WSW", "Motion": {"Info": {"Thresholds": {"Battery": 101}}}}',
                "Motion.Info.Thresholds.Battery: Expected `int` <= 100",
            ),
            ('{"Event": "WSW"}', "events/WSW: no such event folder"),
            ("{}", "event.folder is not set: pass --event DIR"),
        ],
    )
    def test_a_mistake_in_server_json_is_one_line_with_file_and_key(
        self, tmp_path: Path, text: str, message: str
    ) -> None:
        file = tmp_path / "config" / "server.json"
        file.parent.mkdir()
        file.write_text(text)
        check_that_it_is_refused(file, message, tmp_path)

    def test_a_configuration_that_is_no_text_is_refused(self, tmp_path: Path, event: Path) -> None:
        for name in ("sse.toml", "server.json"):
            (tmp_path / name).write_bytes(b"\xff\xfe\x00")
            assert str(tmp_path / name) in refused("--config", tmp_path / name, "--event", event)

    def test_a_folder_as_configuration_is_refused(self, tmp_path: Path, event: Path) -> None:
        assert f"{event}: Is a directory" in refused("--config", event)

    def test_a_file_is_no_event_folder(self, config: Path) -> None:
        assert f"{config}: no such event folder" in refused("--event", config)

    def test_a_folder_in_use_is_refused_with_the_name_of_its_holder(self, event: Path) -> None:
        lock = FolderLock(event)
        lock.acquire()
        assert f"{event} is in use by another collector (process {os.getpid()} on " in refused("--event", event)
        lock.release()
        parsed("--event", event)

    def test_asking_leaves_no_trace(self, event: Path) -> None:
        before = everything(event)
        parsed("--event", event)
        assert everything(event) == before

    @pytest.mark.parametrize("arguments", [["--nonsense"], ["surplus"], ["--event", "/nowhere"], ["--demo-devices=x"]])
    def test_below_twistd_a_mistake_is_one_line_and_not_its_help(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str]
    ) -> None:
        monkeypatch.setattr("sys.argv", ["/usr/bin/twistd", "sse", *arguments])
        message = refused(*arguments)
        with pytest.raises(SystemExit) as ended:
            below_twistd(*arguments)
        assert ended.value.code == 1
        assert tuple(capsys.readouterr()) == ("", f"twistd sse: {message}\n")

    def test_the_demo_is_no_other_users(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            below_twistd("--demo", uid=1)
        assert "leave out --uid and --gid" in capsys.readouterr().err

    def test_a_user_that_does_not_exist_is_refused(self, capsys: pytest.CaptureFixture[str], event: Path) -> None:
        with pytest.raises(SystemExit):
            below_twistd("--event", event, uid=4_000_000_000)
        assert "--uid 4000000000: no such user" in capsys.readouterr().err

    def test_who_may_not_become_another_user_is_told_so(
        self, capsys: pytest.CaptureFixture[str], event: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(number: int) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr("os.setegid", refuse)
        with pytest.raises(SystemExit):
            below_twistd("--event", event, uid=0, gid=1)
        assert "cannot change to user 0, group 1: Operation not permitted" in capsys.readouterr().err

    def test_it_stays_who_it_is(self, event: Path) -> None:
        before = os.geteuid(), os.getegid(), os.getgroups()
        below_twistd("--event", event)
        below_twistd("--event", event, uid=os.geteuid(), gid=os.getegid())
        assert (os.geteuid(), os.getegid(), os.getgroups()) == before

    def test_reading_the_configuration_again_may_find_a_mistake(self, config: Path) -> None:
        config.write_text("[scan]\ninterval = 0\n")
        with pytest.raises(SettingsError, match=r"scan\.interval"):
            load_settings(str(config), None)


class TestConsole:
    def test_it_is_on_loopback_unless_somebody_says_otherwise(self, event: Path) -> None:
        access = parsed("--event", event).access
        assert (access.telnet, access.must_listen, access.ssh) == ("tcp:6023:interface=127.0.0.1", False, "")

    def test_it_can_be_turned_off(self, event: Path) -> None:
        assert parsed("--event", event, "--manhole", "off").access.telnet == ""

    def test_telnet_from_elsewhere_is_refused_and_the_reason_given(self, event: Path) -> None:
        answer = refused("--event", event, "--manhole", "tcp:6023")
        assert "can be reached from other machines" in answer
        assert "--manhole-ssh" in answer

    def test_ssh_from_elsewhere_is_what_it_is_for(self, event: Path) -> None:
        assert parsed("--event", event, "--manhole-ssh", "tcp:0").access.ssh == "tcp:0"

    def test_a_place_that_is_taken_is_refused_if_it_was_asked_for(self, event: Path) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            place = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
            for option in ("--manhole", "--manhole-ssh"):
                assert "Address already in use" in refused("--event", event, option, place)

    def test_passwords_that_others_can_read_are_refused(self, tmp_path: Path, event: Path) -> None:
        file = tmp_path / "passwd"
        file.write_text("sse:secret\n")
        file.chmod(0o640)
        answer = refused("--event", event, "--manhole-passwd", file)
        assert f"{file}: mode 0640" in answer
        assert "secret" not in answer
        file.chmod(0o600)
        assert parsed("--event", event, "--manhole-passwd", file).access.passwords == file

    def test_keys_that_others_can_add_or_that_are_not_there_are_refused(self, tmp_path: Path, event: Path) -> None:
        file = tmp_path / "authorized_keys"
        assert "No such file" in refused("--event", event, "--manhole-keys", file)
        file.touch()
        file.chmod(0o666)
        assert "mode 0666" in refused("--event", event, "--manhole-keys", file)
        file.chmod(0o644)
        assert parsed("--event", event, "--manhole-keys", file).access.keys == file

    def test_a_host_key_that_others_can_read_is_refused(self, event: Path) -> None:
        key = event / ".sse_twisted" / "ssh_host_ed25519_key"
        key.parent.mkdir()
        key.touch(0o644)
        assert f"{key}: mode 0644" in refused("--event", event, "--manhole-ssh", "tcp:0")
        parsed("--event", event)

    def test_the_demo_has_one_as_well(self) -> None:
        assert "can be reached from other machines" in refused("--demo", "--manhole", "tcp:6023")
        assert parsed("--demo", "--manhole", "off").access.telnet == ""


class TestCheck:
    def test_what_would_be_done_is_said(self, capsys: pytest.CaptureFixture[str], event: Path, config: Path) -> None:
        before = everything(event)
        status, lines = checked(capsys, "--config", config)
        assert status == 0
        assert lines[:3] == [
            f"configuration: {config}",
            f"event folder:  {event}",
            f"roster:        {event / 'config' / 'motions.csv'}",
        ]
        assert "devices:       2: motion-601, motion-602" in lines
        assert "days:          2022-10-15 to 2022-10-21" in lines
        assert "filter:        tracks under 1 knots over 500 m are skipped" in lines
        assert "files:         gpslogs/<YYYYMMDD>/<File ID>_<id>_<YYYYMMDD>_<HHMMSS>.oao" in lines
        assert [line for line in lines if line.startswith("remark: the roster ends on 2022-10-21, and today is ")]
        assert lines[-1].startswith("no mistakes, ")
        assert everything(event) == before

    def test_each_mistake_of_the_roster_has_its_line(self, capsys: pytest.CaptureFixture[str], event: Path) -> None:
        roster = event / "config" / "motions.csv"
        with roster.open("a") as file:
            file.write("3,103,601,2022-10-20,2022-10-22,GHI103XYZ,Clara,Cleat\n")
            file.write("4,104,six,2022-10-15,2022-10-21,JKL104XYZ,Dylan,Drift\n")
            file.write("5,105,605,15/10,2022-10-21,MNO105XYZ,Edith,Eddy\n")
        status, lines = checked(capsys, "--event", event)
        assert status == 1
        assert lines[-4:-1] == [
            f"mistake: {roster}: line 4: motion-601 is already assigned on 2022-10-20: line 2 counts",
            f"mistake: {roster}: line 5: invalid Motion ID 'six': expected a number",
            f"mistake: {roster}: line 6: invalid Start Date '15/10': expected YYYY-MM-DD or DD/MM/YYYY",
        ]
        assert lines[-1].startswith("3 mistakes, ")

    def test_a_list_of_devices_is_enough_without_a_roster(
        self, capsys: pytest.CaptureFixture[str], event: Path, config: Path
    ) -> None:
        (event / "config" / "motions.csv").unlink()
        with config.open("a") as file:
            file.write('[devices]\nlisted = ["motion-7", "10.0.0.9"]\n')
        status, lines = checked(capsys, "--config", config)
        assert status == 0
        assert "devices:       2: motion-7, device at 10.0.0.9" in lines

    def test_a_folder_that_is_not_there_is_a_mistake_and_not_made(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        status, lines = checked(capsys, "--event", tmp_path / "event")
        assert status == 1
        assert f"mistake: {folder_problem(tmp_path / 'event')}" in lines
        assert not everything(tmp_path)

    def test_a_mistake_in_the_configuration_is_a_usage_error(self, config: Path) -> None:
        config.write_text("[scan]\ninterval = 0\n")
        assert f"{config}: scan.interval" in refused("--config", config, "--check")


class TestPrintConfig:
    @staticmethod
    def printed(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
        """What goes to stdout; nothing goes to stderr, and the exit status is 0."""
        with pytest.raises(SystemExit) as ended:
            parsed(*arguments, "--print-config")
        out, err = capsys.readouterr()
        assert (ended.value.code, err) == (0, "")
        return out

    def test_without_a_configuration_it_is_the_example(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.printed(capsys) == example()

    def test_with_one_it_is_its_settings_wherever_the_event_folder_is(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, config: Path
    ) -> None:
        config.write_text('[event]\nfolder = "nowhere"\n[scan]\ninterval = 3\n')
        copy = tmp_path / "elsewhere" / "copy.toml"
        copy.parent.mkdir()
        copy.write_text(self.printed(capsys, "--config", config))
        assert read_settings(copy) == read_settings(config)

    def test_the_event_folder_of_the_command_line_wins(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, config: Path
    ) -> None:
        assert f'folder = "{tmp_path}/other"' in self.printed(capsys, "--config", config, "--event", tmp_path / "other")

    def test_below_twistd_a_mistake_in_the_file_is_one_line_on_stderr_and_nothing_is_printed(
        self, capsys: pytest.CaptureFixture[str], config: Path
    ) -> None:
        config.write_text("[scan]\ninterval = 0\n")
        with pytest.raises(SystemExit) as ended:
            below_twistd("--config", config, "--print-config")
        out, err = capsys.readouterr()
        assert (ended.value.code, out, err.count("\n")) == (1, "", 1)
        assert f"{config}: scan.interval" in err


class TestMakeService:
    def test_the_plugin_is_found_under_its_name(self) -> None:
        found = {plugin.tapname: plugin for plugin in getPlugins(IServiceMaker)}
        assert found["sse"].options is Options
        assert found["sse"].makeService is makeService

    def test_it_makes_a_collector_and_begins_nothing(self, event: Path, config: Path) -> None:
        before = everything(event.parent)
        service = makeService(parsed("--config", config))
        assert isinstance(service, MultiService)
        (collector,) = (child for child in service if isinstance(child, Collector))
        assert [type(child) for child in service] == [
            MonotonicClock,
            LogOutputService,
            SignalService,
            Collector,
            ConsoleService,
            WebService,
            ReadinessService,
            GcFreeze,
        ]
        assert collector.live.settings.event.folder == str(event)
        assert not collector.running
        assert everything(event.parent) == before

    def test_without_the_web_there_is_none(self, config: Path) -> None:
        service = makeService(parsed("--config", config, "--web", "off"))
        assert isinstance(service, MultiService)
        assert [type(child) for child in service] == [
            MonotonicClock,
            LogOutputService,
            SignalService,
            Collector,
            ConsoleService,
            ReadinessService,
            GcFreeze,
        ]
