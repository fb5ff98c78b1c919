"""The records of a FIT file, read by fitdecode. Of all fields, only those of place, time and speed are taken.

This module imports neither numpy nor the rest of the program, so that its process starts quickly.
"""

from __future__ import annotations

import struct
import time
import warnings
from array import array
from dataclasses import dataclass, field
from typing import Any, Final

MAX_RECORDS: Final = 1_000_000  # 11 days at one a second
MAX_SECONDS: Final = 30.0  # of CPU time; a day of a watch takes 5
NONE: Final = -(1 << 62)  # a record without this value
EPOCH: Final = 631_065_600  # s UTC of the second 0 of FIT, 1989-12-31
FILE_ID: Final = 0  # numbers of messages
RECORD: Final = 20
TIMESTAMP: Final = 253

COLUMNS: Final = ("offset", "time", "latitude", "longitude", "speed", "altitude", "course", "satellites", "hdop")
# Numbers of fields in a record: enhanced speed and altitude before those of 16 bits.
_FIELDS: Final = {0: "latitude", 1: "longitude", 6: "speed", 2: "altitude"}
_ENHANCED: Final = {73: "speed", 78: "altitude"}
_DEVELOPER: Final = {"Sat": ("satellites", 1), "hdop": ("hdop", 100), "cog": ("course", 100_000)}  # of COROS
MANUFACTURERS: Final = {1: "Garmin", 16: "Timex", 23: "Suunto", 294: "COROS"}


@dataclass
class Reading:
    """What was read: columns of 64-bit numbers as in FIT (semicircles, mm/s), time in s UTC, NONE where unknown."""

    columns: dict[str, array[int]] = field(default_factory=lambda: {name: array("q") for name in COLUMNS})
    maker: str = ""
    model: str = ""
    serial: str = ""
    sound_to: int = 0  # all records before this byte were read
    problem: str = ""  # why reading ended; "" at the end of the file


def read(data: bytes, max_seconds: float = MAX_SECONDS) -> Reading:
    """Read the records of a file, damaged or not, for up to `max_seconds` of CPU time. Raises nothing."""
    from fitdecode import (
        FIT_FRAME_DATA,
        CrcCheck,
        ErrorHandling,
        FitReader,
    )
    from fitdecode.exceptions import FitError

    reading = Reading()
    end = time.process_time() + max_seconds
    options: dict[str, Any] = {"check_crc": CrcCheck.DISABLED, "error_handling": ErrorHandling.IGNORE}
    with warnings.catch_warnings(), FitReader(data, processor=None, keep_raw_chunks=True, **options) as frames:
        warnings.simplefilter("ignore")
        try:
            for frame in frames:
                if frame.frame_type == FIT_FRAME_DATA:
                    _take(frame, reading)
                reading.sound_to = frame.chunk.offset + len(frame.chunk.bytes)
                if time.process_time() > end:
                    reading.problem = f"not read within {max_seconds:g} s of CPU time"
                    break
                if len(reading.columns["time"]) >= MAX_RECORDS:
                    reading.problem = f"more than {MAX_RECORDS:,} records"
                    break
        # What fitdecode raises for bytes that it does not expect, besides its own errors.
        except (FitError, struct.error, ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError,
                OverflowError, ArithmeticError, MemoryError, RecursionError):  # fmt: skip
            reading.problem = "unreadable message"
    return reading


def _take(frame: Any, reading: Reading) -> None:
    number = frame.def_mesg.global_mesg_num
    if number == RECORD:
        _take_record(frame, reading)
    elif number == FILE_ID:
        _take_file_id(frame, reading)


def _take_record(frame: Any, reading: Reading) -> None:
    values: dict[str, int] = {}
    for each in frame.fields:
        definition, value = each.field_def, each.raw_value
        if each.field is not None and each.field.def_num == TIMESTAMP and isinstance(value, int):
            values["time"] = value + EPOCH
        elif definition is None or not isinstance(value, int | float) or value != value:
            continue
        elif definition.is_dev:
            name, unit = _DEVELOPER.get(definition.name, ("", 0))
            if name and abs(value) < 1e9:
                values[name] = round(value * unit)
        elif definition.def_num in _ENHANCED and isinstance(value, int):
            values[_ENHANCED[definition.def_num]] = value
        elif definition.def_num in _FIELDS and isinstance(value, int):
            values.setdefault(_FIELDS[definition.def_num], value)
    if "time" in values:
        values["offset"] = frame.chunk.offset
        for name, column in reading.columns.items():
            column.append(max(-(1 << 62), min(values.get(name, NONE), 1 << 62)))


def _take_file_id(frame: Any, reading: Reading) -> None:
    values = {each.name: each.raw_value for each in frame.fields}
    maker, model, serial = (values.get(name) for name in ("manufacturer", "product_name", "serial_number"))
    reading.maker = MANUFACTURERS.get(maker, "") if isinstance(maker, int) else ""
    reading.model = "".join(filter(str.isprintable, model)).strip()[:40] if isinstance(model, str) else ""
    reading.serial = str(serial) if isinstance(serial, int) else ""
