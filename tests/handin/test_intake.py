"""Keeping a file as it came."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from sse_twisted.handin import intake
from sse_twisted.handin.intake import Incoming, Unacceptable, clean_name, orphans, public


def kept(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "hand-in/kept").iterdir())


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\tracks\\a.sbp", "a.sbp"),
        ("a\nb.sbp", "a_b.sbp"),
        (".hidden.sbp", "hidden.sbp"),
        ("..", "unnamed"),
        ("", "unnamed"),
    ],
)
def test_a_name_has_no_folder_and_nothing_that_cannot_be_printed(name: str, clean: str) -> None:
    assert clean_name(name) == clean


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("RIDER_932000000_20220411.SBN", "RIDER_…000_20220411.SBN"),
        ("0A0B0C0D0E0F.gpy", "…E0F.gpy"),
        ("20220411111622.sbp", "20220411111622.sbp"),
        ("ABC601XYZ_601_20220411_111622.oao", "ABC601XYZ_601_20220411_111622.oao"),
    ],
)
def test_a_name_is_shown_without_a_serial_number(name: str, shown: str) -> None:
    assert public(name) == shown


def test_a_name_of_300_letters_keeps_its_extension(tmp_path: Path) -> None:
    incoming = Incoming(tmp_path, f"{'ä' * 300}.sbp")
    incoming.write(b"x")
    incoming.finish()
    (name,) = kept(tmp_path)
    assert name.endswith("ä.sbp")
    assert len(name.encode()) < 143


def test_only_its_owner_may_read_a_file_from_its_first_byte_on(tmp_path: Path) -> None:
    incoming = Incoming(tmp_path, "a.fit")
    incoming.write(b"x")
    (hidden,) = (tmp_path / "hand-in/kept").iterdir()
    assert stat.S_IMODE(hidden.stat().st_mode) == 0o600
    assert stat.S_IMODE(hidden.parent.stat().st_mode) == 0o700
    incoming.abort()
    assert kept(tmp_path) == []


def test_a_file_beyond_the_limit_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MAX_SIZE", 10)
    incoming = Incoming(tmp_path, "a.fit")
    incoming.write(bytes(10))
    with pytest.raises(Unacceptable, match="too large"):
        incoming.write(b"x")
    incoming.abort()
    assert kept(tmp_path) == []


def test_two_files_of_one_content_are_kept_once(tmp_path: Path) -> None:
    both = [Incoming(tmp_path, name) for name in ("a.sbp", "b.sbp")]
    for incoming in both:
        incoming.write(b"the same")
    first, second = (incoming.finish() for incoming in both)
    assert first.path == second.path
    assert (first.name, second.name) == ("a.sbp", "b.sbp")
    assert len(kept(tmp_path)) == 1


def test_a_file_that_no_ledger_knows_is_found(tmp_path: Path) -> None:
    incoming = Incoming(tmp_path, "a.sbp")
    incoming.write(b"x")
    made = incoming.finish()
    assert orphans(tmp_path, frozenset()) == [made]
    assert orphans(tmp_path, frozenset({made.sha256})) == []
