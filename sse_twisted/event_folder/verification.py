"""Compare a received track with the device's listing. No input or output."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from sse_twisted.devices.driver import ListedTrack
from sse_twisted.devices.drivers import device_name
from sse_twisted.runtime.text import plural
from sse_twisted.tracks.format import Header, Integrity
from sse_twisted.tracks.formats import format_named, is_readable


class Outcome(StrEnum):
    """The result of comparing the bytes of a track with the listing."""

    VERIFIED = "verified"  # of the listed length, all bytes sound, the header equal to the listing
    UNVERIFIED = "unverified"  # of the listed length, in an unknown format or with unknown records
    DAMAGED = "damaged"  # anything else; stored only if the device sends the same bytes twice


class Judgement(Struct, frozen=True):
    """An outcome; the remark says why it is not VERIFIED."""

    outcome: Outcome
    remark: str = ""


def is_header_of(log: ListedTrack, identifier: int, header: Header | None) -> bool:
    """Whether a header belongs to this log of the device."""
    return header is not None and (header.identifier, header.start_date) == (identifier, log.start_date)


def is_beginning_of(log: ListedTrack, identifier: int, integrity: Integrity) -> bool:
    """Whether a transfer can resume after these bytes: sound, of this log, and not longer than it."""
    known = is_header_of(log, identifier, integrity.header)
    return known and not integrity.damages and integrity.length <= log.length


def judge(integrity: Integrity, log: ListedTrack, identifier: int) -> Judgement:
    """Compare the received bytes with the listing of the device's log."""
    if not _is_expected(integrity, log):
        return _judge_foreign(integrity, log)
    tail = integrity.length == log.size and bool(integrity.damages) and integrity.damages[0].offset >= log.length
    if integrity.damages and (integrity.header is None or not tail):
        damage = integrity.damages[0]
        return Judgement(Outcome.DAMAGED, f"{damage.what} at byte {damage.offset:,}")
    if integrity.header is None:
        return _judge_headerless(integrity, log)
    if integrity.header.identifier != identifier:
        return Judgement(Outcome.DAMAGED, f"a track of {device_name(integrity.header.identifier)}")
    if integrity.header.start_date != log.start_date:
        remark = f"began at {integrity.header.start_date} ms, listed {log.start_date} ms"
        return Judgement(Outcome.DAMAGED, remark)
    if tail:
        # No known firmware sends the listed bytes after a log; if one does, they are accepted.
        return Judgement(Outcome.UNVERIFIED, f"{log.size - log.length:,} unknown bytes at byte {log.length:,}")
    if integrity.length - len(integrity.trailer) != log.length:
        return _wrong_length(integrity, log)
    if (claim := _other_claim(integrity.header, log)) is not None:
        return Judgement(Outcome.UNVERIFIED, f"header and listing differ in {claim}")
    if integrity.unknown:
        return Judgement(Outcome.UNVERIFIED, f"{plural(integrity.unknown, 'record')} of an unknown kind")
    return Judgement(Outcome.VERIFIED)


def _is_expected(integrity: Integrity, log: ListedTrack) -> bool:
    """Whether the bytes are of the format that the listing names, or of any that can be read if it names none."""
    expected = format_named(log.extension)
    return is_readable(integrity.kind) and (expected is None or integrity.kind == expected.name)


def _judge_headerless(integrity: Integrity, log: ListedTrack) -> Judgement:
    if integrity.header_missing:
        return Judgement(Outcome.DAMAGED, "its header is missing")
    return _judge_length(integrity, log, f"a {integrity.kind} file has no header")


def _other_claim(header: Header, log: ListedTrack) -> str | None:
    """Return the first figure in which header and listing differ. All are equal in 72 of 72 real downloads."""
    bests = {name: values[0].value for name, values in header.bests.items() if values}
    claims = {
        "end date": (header.end_date, log.end_date),
        "distance": (header.distance, log.distance),
        "time zone": (header.timezone, log.timezone),
        **{f"best {name}": (bests.get(name, 0), listed) for name, listed in log.claims},
    }
    return next((name for name, (mine, listed) in claims.items() if listed is not None and mine != listed), None)


def _judge_foreign(integrity: Integrity, log: ListedTrack) -> Judgement:
    if not integrity.length:
        return Judgement(Outcome.DAMAGED, "no bytes at all")
    if (expected := format_named(log.extension)) is not None:
        return Judgement(Outcome.DAMAGED, f"not in {expected.name.upper()} format ({integrity.kind})")
    return _judge_length(integrity, log, f"in an unknown format ({integrity.kind})")


def _judge_length(integrity: Integrity, log: ListedTrack, remark: str) -> Judgement:
    """Judge a file of which only the length can be compared."""
    if integrity.length not in (log.length, log.size):
        return _wrong_length(integrity, log)
    return Judgement(Outcome.UNVERIFIED, remark)


def _wrong_length(integrity: Integrity, log: ListedTrack) -> Judgement:
    return Judgement(Outcome.DAMAGED, f"ends at byte {integrity.length:,}, listed {log.length:,}")
