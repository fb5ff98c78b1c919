"""What the manual says is what there is, and all that an operator can see is in it."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from twisted.logger import Logger

from sse_twisted.config.roster import parse_roster
from sse_twisted.config.settings import Expected, Settings, read_settings
from sse_twisted.console.namespace import ACTING, READING
from sse_twisted.control.gauges import StateGauges
from sse_twisted.control.health import Condition
from sse_twisted.control.metrics import Statistics
from sse_twisted.daemon.options import Options
from sse_twisted.daemon.simulator_tap import Options as SimulatorOptions
from sse_twisted.devices.driver import Finding
from sse_twisted.devices.motion.driver import MotionDriver
from sse_twisted.event_folder.ledger import Status
from sse_twisted.event_folder.verification import Outcome
from sse_twisted.fleet import Fleet
from sse_twisted.manual import CHAPTERS, chapter
from sse_twisted.results.courses.command import option_parser
from sse_twisted.results.days import State
from sse_twisted.results.short_tracks import SHORT
from sse_twisted.simulator.documents import motion_info, motion_settings
from sse_twisted.web.help import render_manual
from sse_twisted.web.rendering import SUBJECTS, TITLES
from sse_twisted.web.tiles import Tile
from tests.manual.messages import PACKAGE, finding_messages, log_messages, phrases

MANUAL = "\n".join(map(chapter, CHAPTERS))
ELSEWHERE = {  # options of twistd and of other programs
    *("--nodaemon", "--pidfile", "--logfile", "--umask", "--uid", "--gid", "--json", "--gpx", "--csv", "--plot"),
    *("--help", "--version", "--hand-in", "--verify", "--backup", "--suffix", "--slow-sync"),
    *("--json-lines", "--host", "--nworkers", "--nthreads"),
}


ALERTS = PACKAGE / "manual" / "alerts.yml"


def registry() -> CollectorRegistry:
    """All metrics of a collector that knows no device, as they are scraped."""
    fleet = Fleet(lambda: 0.0, Logger())
    conditions = (Condition("downloads", True),)
    made = Statistics(fleet).registry
    made.register(StateGauges(fleet, lambda: conditions, lambda: False, tuple, tuple, tuple))
    return made


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", chapter(name), re.DOTALL)


def first_cells(name: str) -> list[str]:
    rows = re.findall(r"^\| (.*?) \|", chapter(name), re.MULTILINE)
    return [row for row in rows if set(row) != {"-"}]


def terms(name: str) -> set[str]:
    """What stands in bold at the left of a table."""
    return {term for cell in first_cells(name) for term in re.findall(r"\*\*(.+?)\*\*", cell)}


def log_entries() -> list[str]:
    return [line for cell in first_cells("log") for line in re.findall(r"`(.+?)`", cell)]


def findings_shown() -> list[str]:
    """The findings of the manual as they look on the board, without the track's name."""
    return [cell.replace("**", "").removeprefix("… ") for cell in first_cells("findings")]


class TestCompleteness:
    def test_each_chapter_is_served(self) -> None:
        assert sorted(CHAPTERS) == sorted(path.stem for path in (PACKAGE / "manual").glob("*.md"))

    def test_each_log_message_has_an_entry(self) -> None:
        entries = log_entries()
        messages = [message for message in log_messages() if not message.is_only_fields]
        assert len(messages) > 60
        lacking = [f"{message.place}: {message.text}" for message in messages if not any(map(message.matches, entries))]
        assert not lacking, "without an entry in manual/log.md:\n" + "\n".join(sorted(lacking))

    def test_each_entry_of_the_log_chapter_is_a_message(self) -> None:
        messages = [*(message for message in log_messages("debug") if not message.is_only_fields), *phrases()]
        findings = {fact.text.partition(" is ")[0] for fact in facts()} | {str(outcome) for outcome in Outcome}
        words = {*findings, f"{Status.QUEUED} - ", f"{Status.SKIPPED} - "}
        stale = [
            entry
            for entry in log_entries()
            if not any(message.matches(entry) for message in messages)
            and not any(f" {word}" in entry for word in words)
        ]
        assert not stale, "no message any more:\n" + "\n".join(stale)

    def test_each_finding_about_a_device_is_explained(self) -> None:
        assert {fact.subject.replace("battery", "battery level") for fact in facts()} <= terms("findings")

    def test_each_finding_about_a_track_is_explained_and_no_other(self) -> None:
        shown, messages = findings_shown(), finding_messages()
        assert len(messages) > 8
        lacking = [message.text for message in messages if not any(map(message.matches, shown))]
        assert not lacking
        assert SHORT in terms("findings")
        assert {f"is {outcome}" for outcome in Outcome if outcome is not Outcome.VERIFIED} <= terms("findings")

    def test_each_column_and_each_headline_of_the_board_is_explained(self) -> None:
        assert set(TITLES.values()) <= terms("board")
        headlines = set(re.findall(r'"([a-z ]{8,})"', inspect.getsource(vars(Tile)["headline"].fget)))
        assert len(headlines) > 2
        assert headlines <= terms("board")

    def test_each_trouble_of_the_collector_is_explained(self) -> None:
        assert {trouble for _, trouble in SUBJECTS.values()} <= terms("board")

    def test_each_state_of_a_day_and_of_a_track_is_explained(self) -> None:
        assert {*map(str, (*State, *Status, *Outcome))} <= terms("pages")

    def test_each_command_of_the_console_is_explained(self) -> None:
        assert set(re.findall(r"`([a-z_]+)[(`]", " ".join(first_cells("console")))) == {*READING, *ACTING}

    def test_each_metric_is_explained(self) -> None:
        families = {family.name for family in registry().collect()}
        explained = {name.removesuffix("_total") for name in re.findall(r"`(sse_\w+)`", chapter("programs"))}
        assert {name for name in families if name.startswith("sse_")} | {"sse_web_streams"} == explained


class TestAlerts:
    def test_the_chapter_shows_the_file_of_the_package(self) -> None:
        assert blocks("programs", "yaml") == [ALERTS.read_text()]

    def test_each_metric_of_a_rule_exists(self) -> None:
        samples = {sample.name for family in registry().collect() for sample in family.samples}
        named = set(re.findall(r"\bsse_\w+", ALERTS.read_text()))
        assert len(named) > 8
        assert named <= samples

    def test_each_label_of_a_rule_exists(self) -> None:
        labels = {
            (s.name, *pair) for family in registry().collect() for s in family.samples for pair in s.labels.items()
        }
        named = set(re.findall(r'\b(sse_\w+){(\w+)="(\w+)"}', ALERTS.read_text()))
        assert len(named) >= 2
        assert named <= labels

    def test_prometheus_accepts_the_rules(self) -> None:
        try:
            checked = subprocess.run(
                ["promtool", "check", "rules", ALERTS], capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            pytest.skip("no promtool here: apt-get install prometheus")
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert "10 rules found" in checked.stdout

    def test_prometheus_accepts_the_metrics(self) -> None:
        try:
            text = generate_latest(registry()).decode()
            checked = subprocess.run(
                ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            pytest.skip("no promtool here: apt-get install prometheus")
        assert checked.returncode == 0, checked.stdout + checked.stderr


class TestTruth:
    def test_each_option_exists(self) -> None:
        options = {f"--{name.rstrip('=')}" for of in (Options(), SimulatorOptions()) for name in of.longOpt}
        options |= set(option_parser().format_help().replace("[", " ").replace("]", " ").split())
        without_curl = re.sub(r"^curl .*$", "", MANUAL, flags=re.MULTILINE)
        named = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", without_curl))
        assert named <= options | ELSEWHERE

    def test_each_setting_exists(self) -> None:
        tables = msgspec.structs.asdict(Settings())
        named = set(re.findall(rf"`({'|'.join(tables)})\.(\w+)`", MANUAL)) - {("downloads", "json")}
        assert len(named) > 10
        assert {(table, key) for table, key in named if not hasattr(tables[table], key)} == set()

    def test_each_link_leads_somewhere(self) -> None:
        html = render_manual().html
        anchors = re.findall(r' id="(.+?)"', html)
        assert len(anchors) == len(set(anchors))
        links = re.findall(r' (?:href|src)="(.*?)"', html)
        assert len(links) > 20
        assert {link for link in links if link.removeprefix("#") not in anchors} == set()

    def test_each_link_of_a_page_to_the_manual_leads_to_an_anchor(self) -> None:
        anchors = set(re.findall(r' id="(.+?)"', render_manual().html))
        templates = "".join(path.read_text() for path in (PACKAGE / "web" / "templates").iterdir())
        links = set(re.findall(r'"/help#([\w-]+)"', templates))
        assert links
        assert links <= anchors
        assert """"/help#{{ titles[column.value]|lower|replace(' ', '-') }}\"""" in templates
        assert {title.lower().replace(" ", "-") for title in TITLES.values()} <= anchors

    def test_the_sample_of_a_roster_has_no_mistakes(self) -> None:
        roster = parse_roster(blocks("roster", "csv")[0].encode())
        assert not roster.mistakes
        assert roster.identifiers == {601, 602}

    def test_all_file_ids_are_invented(self) -> None:
        readme = (Path(__file__).parents[2] / "README.md").read_text()
        assert {name[6:] for name in re.findall(r"\b[A-Z]{3}\d{3}[A-Z]{3}\b", MANUAL + readme)} == {"XYZ"}

    def test_no_sentence_begins_with_somebody(self) -> None:
        assert not re.findall(
            r"(?:^|[.:!?|] )\W*(?:Who|Whoever|Somebody|Nobody) [a-z]+", re.sub("`.*?`", "", MANUAL), re.MULTILINE
        )

    def test_the_simulators_event_can_be_made_and_collected_as_it_says(self, tmp_path: Path) -> None:
        make, simulate, collect = blocks("simulator", "sh")
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

    def test_systemd_accepts_the_unit(self, tmp_path: Path) -> None:
        unit = tmp_path / "sse.service"
        unit.write_text(
            blocks("service", "ini")[0].replace("/opt/sse/bin/twistd", "/bin/true").replace("User=sse\n", "")
        )
        try:
            verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("no systemd-analyze here")
        assert verified.returncode == 0, verified.stderr

    def test_logrotate_accepts_its_configuration(self, tmp_path: Path) -> None:
        file = tmp_path / "sse"
        (text,) = blocks("service", "logrotate")
        for name in ("server.log", "server.json"):
            (tmp_path / name).write_text("a line\n")
        file.write_text(text.replace("/events/2026/logs", str(tmp_path)).replace("    su sse sse\n", ""))
        file.chmod(0o644)
        try:
            dry = ["logrotate", "--debug", "--force", "--state", str(tmp_path / "state"), str(file)]
            said = subprocess.run(dry, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("no logrotate here")
        assert said.returncode == 0, said.stderr
        assert "error" not in said.stderr
        assert "kill -HUP" in said.stderr


def facts() -> list[Finding]:
    """What a device is checked for."""
    answers = {"info.json": motion_info(601), "settings.json": motion_settings()}
    files = {name: json.dumps(answer).encode() for name, answer in answers.items()}
    return [*MotionDriver().findings(files, Expected(firmwares=("another",)))]
