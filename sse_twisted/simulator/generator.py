"""Generated devices for the demo and for load tests: their logs, and a roster."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from functools import partial
from random import Random
from typing import Final

from sse_twisted.simulator.device import SimulatedDevice, SimulatedLog
from sse_twisted.simulator.documents import motion_info
from sse_twisted.simulator.listings import make_entry
from sse_twisted.simulator.tracks import log_path, make_track, track_for_entry, track_of_size
from sse_twisted.simulator.trajectory import PORTLAND_HARBOUR, start_line

TIMEZONE: Final = 60
"""Minutes east of UTC: British Summer Time, to which the devices of the event are set."""

_MINUTE: Final = 60_000
_DAY: Final = 24 * 60 * _MINUTE

_FIRST_NAMES: Final = ("Ada", "Bryn", "Clara", "Dylan", "Edith", "Fergus", "Greta", "Hamish", "Isla", "Jonty")
_FAMILY_NAMES: Final = ("Anchor", "Bowline", "Cleat", "Drift", "Eddy", "Fairlead", "Gale", "Halyard", "Inlet", "Jib")
_CRAFT: Final = (("Sailboard", "Pro Fleet"), ("Kiteboard", "Open Class"), ("Wingfoil", "Open Class"), ("Boat", "Boats"))


def generate_device(identifier: int, seed: int) -> SimulatedDevice:
    """Return a device without logs, with charged battery and free storage."""
    chance = _chance(identifier, seed)
    return SimulatedDevice(
        identifier, info=motion_info(identifier, battery=chance.randint(65, 99), storage=chance.randint(0, 8))
    )


def generate_afternoon(identifier: int, seed: int, now_ms: int) -> list[SimulatedLog]:
    """Return the logs of a device after an afternoon, oldest first. Takes some tens of milliseconds.

    There are two logs of 2 and 3 weeks ago (made at the first request), an empty one of this morning, and one or two
    sessions of 2 to 5 hours in all, the last of which ended in the half hour before `now_ms`.
    """
    chance = _chance(identifier, seed)
    logs = [_log_of_weeks_ago(identifier, now_ms - weeks * 7 * _DAY, chance) for weeks in (3, 2)]
    hours = [chance.uniform(0.8, 1.5), chance.uniform(1.2, 3.0)]
    end = now_ms - chance.randint(2, 28) * _MINUTE
    last_start = int(end - hours[1] * 60 * _MINUTE)
    first_start = int(last_start - (20 + hours[0] * 60) * _MINUTE)
    morning = first_start - 45 * _MINUTE
    path = log_path(identifier, morning, TIMEZONE)
    empty = make_entry(path, 512, start_date=morning, end_date=morning, timezone=TIMEZONE)
    logs.append(SimulatedLog(path, track_for_entry(empty, identifier), empty))
    for number, (start, length) in enumerate(zip((first_start, last_start), hours, strict=True)):
        if number or chance.random() < 0.4:
            content = make_track(
                identifier, start, length * 3600, _chance(identifier, seed).randrange(1 << 30) + number
            )
            logs.append(SimulatedLog(log_path(identifier, start, TIMEZONE), content))
    return logs


def generate_load(identifier: int, sizes: Sequence[int], start_ms: int) -> list[SimulatedLog]:
    """Return logs of about these sizes in bytes, one an hour, at constant speed, for load tests."""
    starts = [start_ms + number * 60 * _MINUTE for number, _ in enumerate(sizes)]
    return [
        SimulatedLog(log_path(identifier, start, TIMEZONE), track_of_size(identifier, size, start, timezone=TIMEZONE))
        for size, start in zip(sizes, starts, strict=True)
    ]


def generate_roster(
    identifiers: Iterable[int], first_day: datetime.date, last_day: datetime.date, seed: int
) -> list[dict[str, str]]:
    """Return rows with the columns of `motions.csv`: one sailor for each device, on all days."""
    rows = []
    for number, identifier in enumerate(identifiers):
        chance = _chance(identifier, seed)
        letters = "".join(chance.choices("ABCDEFGHJKLMNPQRSTUVWXYZ", k=6))
        tally = 100 + number
        craft, status = chance.choice(_CRAFT)
        rows.append(
            {
                "Entrant ID": str(number + 1),
                "Tally": str(tally),
                "Motion ID": str(identifier),
                "Start Date": first_day.isoformat(),
                "End Date": last_day.isoformat(),
                "File ID": f"{letters[:3]}{tally}{letters[3:]}",
                "First Name": _FIRST_NAMES[(number + seed) % len(_FIRST_NAMES)],
                "Family Name": _FAMILY_NAMES[(number + number // 10) % len(_FAMILY_NAMES)],
                "Craft Type": craft,
                "Status": status,
            }
        )
    return rows


def generate_courses() -> dict[str, object]:
    """Return a `courses.json`: a course in the harbour whose line the generated tracks cross.

    It is open all day, and at night too: an afternoon ends when the demo begins, perhaps after midnight.
    """
    hours = {"Start Time": "00:00:00", "End Time": "30:00:00"}
    return {"H1": hours | {"Start Line": start_line(), "Direction": PORTLAND_HARBOUR.heading}}


def _log_of_weeks_ago(identifier: int, start_ms: int, chance: Random) -> SimulatedLog:
    start = start_ms - start_ms % 1000
    minutes = chance.randint(20, 90)
    end = start + minutes * _MINUTE
    best = chance.randint(4000, 9000)
    path = log_path(identifier, start, TIMEZONE)
    entry = make_entry(
        path,
        512 + 52 * minutes * 100,
        start_date=start,
        end_date=end,
        duration=end - start,
        distance=minutes * 150_000,
        timezone=TIMEZONE,
        **{"2s_best": best + 900, "10s_best": best + 600, "500m_best": best},
    )
    return SimulatedLog(path, partial(track_for_entry, entry, identifier), entry)


def _chance(identifier: int, seed: int) -> Random:
    return Random(f"{seed} {identifier}")
