from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.copies.manifest import Entry, Manifest

TRACK, MOVED = "gpslogs/20221017/a.oao", "gpslogs/20221018/b.oao"


def entry(path: str, size: int = 1, was: str = "", digest: str = "d") -> Entry:
    return Entry(path, size, 0, digest, 0.0, was)


def test_the_last_line_about_a_path_counts_and_a_move_takes_the_former_path() -> None:
    manifest = Manifest()
    lines = b"".join(map(manifest.add, (entry(TRACK), entry(TRACK, 2), entry(MOVED, 2, TRACK), entry(TRACK, 3))))
    assert Manifest.parse(lines) == manifest
    assert manifest.entries == {MOVED: entry(MOVED, 2, TRACK), TRACK: entry(TRACK, 3)}


def test_a_removed_file_has_no_entry() -> None:
    manifest = Manifest()
    lines = manifest.add(entry(TRACK)) + manifest.add(entry(TRACK, digest=""))
    assert Manifest.parse(lines).entries == {}


def test_a_manifest_that_is_written_anew_says_the_same_with_its_moves() -> None:
    manifest = Manifest()
    for number in range(10_000):
        manifest.add(entry("motions/motion-601/info.json", number))
    manifest.add(entry(TRACK))
    manifest.add(entry(MOVED, was=TRACK))
    assert manifest.is_wordy
    again = Manifest.parse(manifest.written_anew())
    assert again == manifest
    assert again.entries[MOVED].was == TRACK
    assert not again.is_wordy


@given(st.integers(0, 400), st.binary(max_size=40))
def test_a_torn_line_is_left_out_and_no_other(at: int, rubbish: bytes) -> None:
    manifest = Manifest()
    data = b"".join(manifest.add(entry(f"gpslogs/20221017/{number}.oao")) for number in range(4))
    whole = Manifest.parse(data).entries
    torn = Manifest.parse(data[:at] + b"\n" + rubbish + b"\n" + data).entries
    assert whole.items() <= torn.items()
