"""What the README says is what there is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import sse_twisted
from sse_twisted.config.roster import parse_roster
from sse_twisted.config.settings import Event, Settings, differences, read_settings
from sse_twisted.console.namespace import ACTING, READING
from sse_twisted.daemon.simulator_tap import Options as SimulatorOptions
from sse_twisted.daemon.tap import Options

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_reference_names_every_setting_with_its_default(tmp_path: Path) -> None:
    file = tmp_path / "sse.toml"
    text = re.sub(r"^# (motion-601|first_day|last_day|search) ", r"\1 ", blocks("toml")[0], flags=re.MULTILINE)
    file.write_text(text.replace('search = ["lan"]', "").replace("first_day", "# ").replace("last_day = 2026", "# "))
    changed = dict(change.split(": ", 1) for change in differences(Settings(), read_settings(file)))
    assert set(changed) == {"event.folder", "devices.addresses"}
    named = set(re.findall(r"^(?:# )?([a-z_0-9]+) =", blocks("toml")[0], re.MULTILINE))
    tables = (getattr(Settings(), table) for table in Settings.__struct_fields__)
    keys = {key for table in tables for key in table.__struct_fields__}
    assert keys - {"addresses"} <= named


def test_the_example_of_the_package_is_the_reference() -> None:
    example = (Path(sse_twisted.__file__).parent / "config" / "sse.example.toml").read_text()
    assert example.endswith(blocks("toml")[0])
    assert Event().folder == ""


def test_every_option_stands_in_the_table() -> None:
    options = {f"--{name.rstrip('=')}" for name in Options().longOpt}
    assert options <= set(re.findall(r"`(--[a-z-]+)", README)) | {"--help", "--version"}


def test_ci_runs_the_test_line() -> None:
    line = next(block for block in blocks("sh") if "pytest" in block).strip().partition("activate && ")[2]
    assert line.replace("pip install", "pip install --quiet") in (ROOT / ".ci" / "run").read_text()


def test_the_example_is_found_as_it_says(tmp_path: Path) -> None:
    line = next(block for block in blocks("sh") if "sse.example.toml" in block)
    python = f"alias python={sys.executable}\nshopt -s expand_aliases\n"
    subprocess.run(["bash", "-ec", python + line], cwd=tmp_path, check=True)
    assert read_settings(tmp_path / "sse.toml").scan == Settings().scan


def test_the_simulators_event_can_be_made_and_collected_as_it_says(tmp_path: Path) -> None:
    make, simulate, collect = (block for block in blocks("sh") if "bucket" in block or "-simulator" in block)
    subprocess.run(["bash", "-ec", make], cwd=tmp_path, check=True)
    folder = tmp_path / "bucket"
    simulator = SimulatorOptions()
    simulator.parseOptions(simulate.partition("sse-simulator ")[2].split())
    settings = read_settings(folder / "sse.toml")
    assert settings.event.folder == str(folder)
    assert settings.devices.port == simulator["port"]
    assert settings.names.servers == (f"127.0.0.1:{simulator['dns-port']}",)
    roster = parse_roster((folder / "config" / "motions.csv").read_bytes())
    assert not roster.mistakes
    assert sorted(roster.identifiers) == list(range(601, 601 + simulator["devices"]))
    assert collect.endswith("sse --config bucket/sse.toml\n")


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "sse.service"
    unit.write_text(blocks("ini")[0].replace("/opt/sse/bin/twistd", "/bin/true").replace("User=sse\n", ""))
    try:
        verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no systemd-analyze here")
    assert verified.returncode == 0, verified.stderr


def test_logrotate_takes_the_note(tmp_path: Path) -> None:
    note = tmp_path / "sse"
    (text,) = blocks("logrotate")
    for name in ("server.log", "server.json"):
        (tmp_path / name).write_text("a line\n")
    note.write_text(text.replace("/events/2026/logs", str(tmp_path)).replace("    su sse sse\n", ""))
    note.chmod(0o644)
    try:
        dry = ["logrotate", "--debug", "--force", "--state", str(tmp_path / "state"), str(note)]
        said = subprocess.run(dry, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no logrotate here")
    assert said.returncode == 0, said.stderr
    assert "error" not in said.stderr
    assert "kill -HUP" in said.stderr


def test_every_command_of_the_console_stands_in_its_table() -> None:
    table = README.partition("| command | what it does |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z]+)[(`]", table)) == {*READING, *ACTING}
