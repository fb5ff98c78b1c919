"""What README, CONTRIBUTING and the hooks for commits say is what there is."""

from __future__ import annotations

import re
from pathlib import Path

from sse_twisted.config.roster import parse_roster
from sse_twisted.daemon.options import Options
from sse_twisted.web.security import DEFAULT_ENDPOINT

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / ".github" / "CONTRIBUTING.md").read_text()
CI = (ROOT / ".ci" / "run").read_text()


def blocks(language: str) -> list[str]:
    return [text.replace("\n   ", "\n") for text in re.findall(rf"```{language}\n(.*?)\s*```", README, re.DOTALL)]


def test_it_is_read_in_five_minutes() -> None:
    assert len(README.splitlines()) <= 250


def test_every_option_stands_in_the_table() -> None:
    options = {f"--{name.rstrip('=')}" for name in Options().longOpt}
    table = README.partition("| option | meaning |")[2].partition("\n\n")[0]
    named = " ".join(re.findall(r"^\| (.*?) \|", table, re.MULTILINE))
    assert set(re.findall(r"--[a-z-]+", named)) == options


def test_ci_runs_the_test_line() -> None:
    line = next(block for block in blocks("sh") if "pytest" in block).strip().partition("activate && ")[2]
    assert line.replace("pip install", "pip install --quiet") in CI


def test_the_boards_address_stands_beside_the_demo() -> None:
    _, port, interface = DEFAULT_ENDPOINT.replace("interface=", "").split(":")
    demo = README.partition("twistd -n sse --demo\n")[2]
    assert f"`http://{interface}:{port}/`" in demo[:100]


def test_the_sample_of_a_roster_has_no_mistakes() -> None:
    roster = parse_roster(blocks("csv")[0].strip().encode())
    assert not roster.mistakes
    assert roster.identifiers == {601, 602}


def test_each_file_that_is_linked_or_named_is_there() -> None:
    links = re.findall(r'(?:\]\(|src=")([^)"#]+)', README)
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).exists()] == []
    named = set(re.findall(r"`((?:sse_twisted|tests|\.ci)/[\w./]+)`", CONTRIBUTING))
    assert len(named) > 5
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_hooks_for_commits_make_the_checks_of_ci() -> None:
    entries = re.findall(r"entry: (.*)", (ROOT / ".pre-commit-config.yaml").read_text())
    assert entries == ["ruff check", "ruff format --check", "mypy"]
    assert all(re.search(rf"^{entry}( \.)?$", CI, re.MULTILINE) for entry in entries)
