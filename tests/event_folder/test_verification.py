from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.devices.answer_json import parse_json
from sse_twisted.devices.driver import ListedTrack
from sse_twisted.devices.motion.messages import listed_track, listing_of
from sse_twisted.event_folder.verification import Judgement, Outcome, judge
from sse_twisted.simulator.damage import sealed
from sse_twisted.simulator.listings import listing_entry
from sse_twisted.tracks import formats
from tests.support.event import MORNING, track
from tests.support.verified import verify
from tests.tracks.toy import MAGIC, ToyFormat, line
from tests.tracks.written import points, ubx

PATH = "/logs/2022/10/0601_2022-10-17-0900.oao"
TRACK = track(601)
UNKNOWN = sealed(bytes.fromhex("f00a0000") + b"a frame of a firmware to come")
PAGE = b"<html><body>404 Not LoadedState</body></html>"


def entry(content: bytes = TRACK, **changes: Any) -> ListedTrack:
    return listed_track(listing_entry(content, PATH) | changes)


def foreign(content: bytes, path: str) -> ListedTrack:
    """A log that the device lists under this path with the length of these bytes."""
    return entry(file=path, size=len(content) + 1024)


def judged(content: bytes, log: ListedTrack | None = None, identifier: int = 601) -> Judgement:
    return judge(verify(content, log.file if log else ""), log or entry(), identifier)


def test_a_track_as_it_is_listed_is_verified() -> None:
    assert judged(TRACK) == Judgement(Outcome.VERIFIED)


def test_a_log_without_frames_is_verified() -> None:
    empty = track(601, fixes=1)
    assert len(empty) == 512
    assert judged(empty, entry(empty)).outcome is Outcome.VERIFIED


def test_the_stray_end_of_a_listing_is_harmless() -> None:
    assert judged(TRACK + b"]}").outcome is Outcome.VERIFIED
    assert judged(TRACK + b"]]").outcome is Outcome.DAMAGED
    assert judged(TRACK[:-52] + b"]}").outcome is Outcome.DAMAGED


def test_a_cut_between_two_frames_shows_in_the_length() -> None:
    judgement = judged(TRACK[:-52])
    assert judgement == Judgement(Outcome.DAMAGED, f"ends at byte {len(TRACK) - 52:,}, listed {len(TRACK):,}")
    assert judged(TRACK[:512]).outcome is Outcome.DAMAGED


def test_more_than_is_listed_is_not_the_log() -> None:
    assert judged(TRACK + TRACK[-52:]).outcome is Outcome.DAMAGED


def test_a_damage_is_located() -> None:
    damaged = bytearray(TRACK)
    damaged[512 + 52 * 7 + 20] ^= 4
    assert judged(bytes(damaged)) == Judgement(Outcome.DAMAGED, "damaged frame at byte 876")
    assert judged(TRACK[:-1]) == Judgement(Outcome.DAMAGED, f"cut inside a frame at byte {len(TRACK) - 52:,}")
    assert judged(b"\xd0\x0a" + TRACK[2:10]) == Judgement(Outcome.DAMAGED, "cut inside the header at byte 0")


def test_a_track_of_another_device_is_not_the_log() -> None:
    other = track(602)
    assert judged(other) == Judgement(Outcome.DAMAGED, "a track of motion-602")
    assert judged(TRACK, identifier=602) == Judgement(Outcome.DAMAGED, "a track of motion-601")


def test_a_track_of_another_time_is_not_the_log() -> None:
    judgement = judged(track(601, MORNING + 1000))
    assert judgement.outcome is Outcome.DAMAGED
    assert judgement.remark == f"began at {MORNING + 1000} ms, listed {MORNING} ms"


@pytest.mark.parametrize("key", ["end_date", "distance", "500m_best", "2s_best", "10s_best"])
def test_a_header_that_claims_something_else_than_the_listing_is_not_verified(key: str) -> None:
    """Each of these was equal in 72 of 72 real downloads."""
    log = entry(**{key: listing_entry(TRACK, PATH)[key] + 1})
    assert judged(TRACK, log).outcome is not Outcome.VERIFIED


def test_what_the_listing_does_not_say_can_not_contradict_the_header() -> None:
    bare = {key: listing_entry(TRACK, PATH)[key] for key in ("file", "size", "start_date", "end_date", "distance")}
    assert judged(TRACK, listed_track(bare)).outcome is Outcome.VERIFIED


def test_what_a_device_keeps_behind_a_log_is_taken_at_its_word() -> None:
    for tail in (bytes(1024), b"spot: Portland".ljust(1024, b"\0")):
        judgement = judged(TRACK + tail)
        assert judgement == Judgement(Outcome.UNVERIFIED, f"1,024 unknown bytes at byte {len(TRACK):,}")
    damaged = bytearray(TRACK + bytes(1024))
    damaged[600] ^= 1
    assert judged(bytes(damaged)).outcome is Outcome.DAMAGED
    assert judged(TRACK + bytes(1023)).outcome is Outcome.DAMAGED


def test_frames_of_an_unknown_kind_are_said() -> None:
    content = TRACK + 3 * UNKNOWN
    assert judged(content, entry(content)) == Judgement(Outcome.UNVERIFIED, "3 records of an unknown kind")
    assert judged(content).outcome is Outcome.DAMAGED


@pytest.mark.parametrize("path", [PATH, "/logs/0601.OAO", "/logs/0601", "/logs.d/0601"])
def test_what_is_no_track_is_not_the_log(path: str) -> None:
    judgement = Judgement(Outcome.DAMAGED, "not in OAO format (unknown)")
    for page in (PAGE, PAGE.ljust(512), PAGE.ljust(5000)):
        assert judged(page) == judgement
        assert judged(page, foreign(page, path)) == judgement


def test_a_track_without_the_header_of_its_format_is_not_the_log() -> None:
    frames = TRACK[512:]
    assert judged(frames, foreign(frames, PATH)) == Judgement(Outcome.DAMAGED, "its header is missing")


def test_a_device_cannot_send_another_format_than_it_lists() -> None:
    content = ubx(points())
    assert judged(content, foreign(content, PATH)) == Judgement(Outcome.DAMAGED, "not in OAO format (ubx)")
    assert judged(content, foreign(content, "/logs/0601.sbn")) == Judgement(Outcome.DAMAGED, "not in SBN format (ubx)")
    log = foreign(content, "/logs/0601.ubx")
    assert judged(content, log) == Judgement(Outcome.UNVERIFIED, "a ubx file has no header")
    assert judged(content[:-1], log) == Judgement(Outcome.DAMAGED, "cut inside a record at byte 3,900")


@pytest.mark.parametrize("start", [b"PK\x03\x04", b"?", b"$GPRMC,"])
def test_a_track_of_another_format_can_only_be_measured(start: bytes) -> None:
    content = start.ljust(700, b"x")
    log = foreign(content, "/logs/0601.nmea")
    assert judged(content, log).outcome is Outcome.UNVERIFIED
    assert judged(content + bytes(1024), log).outcome is Outcome.UNVERIFIED
    assert judged(content[:-1], log).outcome is Outcome.DAMAGED


def test_a_track_without_a_header_can_only_be_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "FORMATS", (*formats.FORMATS, ToyFormat()))
    content = MAGIC + line([MORNING, 505_800_000, -24_700_000, 8000])
    log = foreign(content, "/logs/0601.toy")
    assert judged(content, log) == Judgement(Outcome.UNVERIFIED, "a toy file has no header")
    assert judged(content[:-9], log) == Judgement(Outcome.DAMAGED, "damaged line at byte 4")
    assert judged(MAGIC, log) == Judgement(Outcome.DAMAGED, f"ends at byte 4, listed {len(content)}")
    assert judged(b"T" + content, log) == Judgement(Outcome.DAMAGED, "not in TOY format (unknown)")


def test_nothing_is_not_the_log() -> None:
    for path in (PATH, "/logs/0601.ubx", "/logs/0601.nmea"):
        for size in (0, 1024, 1536, -1):
            assert judged(b"", entry(file=path, size=size)).outcome is Outcome.DAMAGED


def test_a_path_that_gets_the_extension_of_a_track_must_be_one() -> None:
    """It would be kept as .oao: a page of the listed length must not pass for a track there."""
    page = PAGE.ljust(512)
    for path in ("/logs/0601.oao?x=1", "/logs/0601.a-b", "/logs/06.01_2022-10-17", "/logs/0601."):
        assert judged(page, foreign(page, path)).outcome is Outcome.DAMAGED


@given(at=st.integers(0, len(TRACK) - 1), change=st.integers(1, 255))
def test_no_changed_byte_is_verified(at: int, change: int) -> None:
    changed = bytearray(TRACK)
    changed[at] ^= change
    assert judged(bytes(changed)).outcome is Outcome.DAMAGED


@given(start=st.integers(0, len(TRACK)), length=st.integers(1, 2000), put=st.binary(max_size=60))
def test_nothing_missing_and_nothing_put_in_is_verified(start: int, length: int, put: bytes) -> None:
    changed = TRACK[:start] + put + TRACK[start + length :]
    if changed not in (TRACK, TRACK + b"]}"):
        assert judged(changed).outcome is not Outcome.VERIFIED


@given(st.binary(max_size=3000), st.integers(-(2**62), 2**62), st.sampled_from([PATH, "/x.ubx", "/x"]))
def test_any_bytes_are_judged(content: bytes, size: int, path: str) -> None:
    judgement = judged(content, entry(size=size, file=path))
    assert judgement.outcome is not Outcome.VERIFIED
    assert judgement.remark


def test_real_tracks_are_as_their_devices_list_them(captures: Path) -> None:
    judged_as: dict[str, Judgement] = {}
    for folder in sorted((captures / "event-2022" / "motions").iterdir()):
        identifier = int(folder.name.removeprefix("motion-"))
        for log in listing_of(parse_json((folder / "logs.json").read_bytes(), "logs.json")).entries:
            file = captures / "tracks" / f"{identifier}{log.file[log.file.rindex('_') :]}"
            if file.exists():
                judged_as[file.name] = judged(file.read_bytes(), log, identifier)
    assert list(judged_as.values()) == [Judgement(Outcome.VERIFIED)] * 6
