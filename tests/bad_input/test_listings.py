"""Listings with figures and paths that can't be."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from sse_twisted.simulator.device import SimulatedLog
from sse_twisted.simulator.faults import Fault
from sse_twisted.simulator.listings import EVIL_PATHS
from sse_twisted.simulator.responses import Body
from tests.simulator.wire import on_the_reactor
from tests.support.event import MORNING, log_of
from tests.support.real_event import PORT, RealEvent, WatchedDevice

LOG = log_of(601)
NAME = "ABC601XYZ_601_20221017_090000.oao"
LENGTH = len(LOG.content)
LATER = log_of(601, start=MORNING + 3_600_000, fixes=300)


def list_also(device: WatchedDevice, *entries: Any) -> None:
    """Let the device list these entries behind those of its logs."""
    listing = {"logs": [*device.listing(), *entries]}
    device.pages["/logs.json"] = Body(json.dumps(listing).encode())


@pytest.mark.parametrize(("fault", "listed"), [("negative-size", -1 - 1024), ("10TB", 10**13 - 1024)])
@on_the_reactor
async def test_a_size_that_can_not_be_costs_no_track(event: RealEvent, fault: str, listed: int) -> None:
    device = event.device(601, LOG)
    device.add_fault(Fault(fault))
    await event.collect()
    assert f"(announces {LENGTH:,} bytes, listed {listed:,})" in event.said("failed - ")[0]
    remark = f"{NAME} is damaged: ends at byte {LENGTH:,}, listed {listed:,}"
    assert event.said(f"INFO motion-601 can be disconnected - {remark}")
    assert event.contents() == [LOG.content]
    assert event.ledger(601)[NAME]["damage"] == f"ends at byte {LENGTH:,}, listed {listed:,}"
    now = event.now
    device.clear_faults()
    await event.leave()
    await event.until("motion-601 has been disconnected", since=now)
    await event.arrive()
    await event.until("motion-601 can be disconnected", since=now)
    assert event.ledger(601)[NAME]["outcome"] == "verified"
    assert event.contents() == [LOG.content]


@pytest.mark.parametrize(("fault", "ms"), [("1970", 0), ("2080", 3_471_292_800_000)])
@on_the_reactor
async def test_a_date_that_the_track_denies_is_not_believed(event: RealEvent, fault: str, ms: int) -> None:
    device = event.device(601, LOG)
    device.add_fault(Fault(fault))
    await event.begin()
    await event.until(
        "WARN motion-601 must stay connected - 1 of 1 track missing "
        f"(began at {MORNING} ms, listed {ms} ms), retry 3 in "
    )
    await event.check_that_it_is_collected_when_cleared()


@pytest.mark.parametrize(("start", "day"), [(0, "19700101_010000"), (3_471_292_800_000, "20800101_010000")])
@on_the_reactor
async def test_a_track_of_a_clock_that_was_lost_is_kept_apart(event: RealEvent, start: int, day: str) -> None:
    lost = log_of(601, start)
    event.device(601, LOG, lost)
    await event.collect()
    assert event.tracks() == {
        f"gpslogs/20221017/{NAME}": LOG.content,
        f"gpslogs/unassigned/{day[:8]}/motion-601_{day}.oao": lost.content,
    }
    assert event.said(f"WARN motion-601 motion-601_{day}.oao is unassigned: no roster line covers it, it goes to ")


@on_the_reactor
async def test_an_entry_that_comes_twice_is_one(event: RealEvent) -> None:
    device = event.device(601, LOG, LATER)
    device.add_fault(Fault("same-entry-twice"))
    await event.collect()
    assert event.contents() == [LATER.content, LOG.content]
    assert [device.asked.count(log.path) for log in device.logs] == [1, 1]


@on_the_reactor
async def test_two_logs_of_one_second_get_a_name_each(event: RealEvent) -> None:
    other = log_of(601, fixes=300)
    device = event.device(601, LOG, SimulatedLog("/logs/2022/10/other.oao", other.content))
    await event.collect()
    assert event.tracks() == {
        f"gpslogs/20221017/{NAME}": LOG.content,
        "gpslogs/20221017/ABC601XYZ_601_20221017_090000-2.oao": other.content,
    }
    assert device.logs[1].path == event.ledger(601)["ABC601XYZ_601_20221017_090000-2.oao"]["motion_file"]


@pytest.mark.slow
@on_the_reactor
async def test_ten_thousand_entries_are_read_and_the_real_ones_collected(event: RealEvent) -> None:
    device = event.device(601, LOG)
    device.add_fault(Fault("10000-entries"))
    await event.begin()
    line = await event.until("motion-601 must stay connected - ")
    assert " tracks missing (request refused (HTTP 404)), retry 1 in " in line
    assert event.contents() == [LOG.content]
    assert len(json.loads((event.folder.device_folder(601) / "logs.json").read_bytes())["logs"]) == 10_000
    await event.check_that_it_is_collected_when_cleared()


@on_the_reactor
async def test_too_many_entries_are_refused(event: RealEvent) -> None:
    device = event.device(601, LOG)
    device.add_fault(Fault("10000-entries", 20_001))
    await event.begin()
    await event.until("inspection failed: logs.json has more than 250,000 values, retry 1 in ")
    await event.check_that_it_is_collected_when_cleared()


@pytest.mark.parametrize("earlier", [True, False], ids=["at an earlier visit", "just now"])
@on_the_reactor
async def test_a_log_that_failed_is_not_forgotten_when_a_listing_is_empty(event: RealEvent, earlier: bool) -> None:
    """That it is not listed once is no proof that it does not exist."""
    device = event.device(601, LOG)
    device.add_fault(Fault("404"), path=LOG.path)
    if earlier:
        await event.begin()
        await event.until("must stay connected - 1 of 1 track missing (request refused (HTTP 404))")
        await event.leave()
        await event.until("left too early")

    def recover() -> None:
        device.pages.clear()
        device.clear_faults()

    empty = 1 if earlier else 2
    device.when_asked("/logs.json", lambda: device.pages.update({"/logs.json": Body(b'{"logs": []}')}), empty)
    device.when_asked("/logs.json", recover, empty + 1)
    await (event.arrive() if earlier else event.begin())
    await event.until("motion-601 can be disconnected")
    assert event.contents() == [LOG.content]


@on_the_reactor
async def test_a_log_that_was_deleted_on_the_device_is_not_waited_for_and_named(event: RealEvent) -> None:
    device = event.device(601, LOG, LATER)
    device.add_fault(Fault("404"), path=LATER.path)
    await event.begin()
    await event.until("must stay connected - 1 of 2 tracks missing (request refused (HTTP 404))")
    del device.logs[1]
    line = await event.until("motion-601 can be disconnected")
    assert line == f"INFO motion-601 can be disconnected - it does not list {LATER.path} any more"
    assert event.said(f"must stay connected - it does not list {LATER.path} any more, retry ")
    assert event.contents() == [LOG.content]


@on_the_reactor
async def test_entries_without_meaning_keep_the_device_but_cost_no_track(event: RealEvent) -> None:
    device = event.device(601, LOG)
    device.add_fault(Fault("bad-entry"))
    await event.begin()
    await event.until("must stay connected - its listing has 14 entries that can't be read, retry 1 in ")
    assert event.contents() == [LOG.content]
    assert event.said("WARN motion-601 unreadable listing entry 0 : ")
    assert event.said("WARN motion-601 unreadable listing entry 5 ")
    await event.check_that_it_is_collected_when_cleared()


@on_the_reactor
async def test_paths_that_lead_elsewhere_are_not_asked_for(event: RealEvent) -> None:
    """Only the real track, and paths that are odd but the device's own."""
    device = event.device(601, LOG)
    device.add_fault(Fault("evil-paths"))
    await event.begin()
    line = await event.until("motion-601 must stay connected - ")
    assert f"{len(EVIL_PATHS)} of {len(EVIL_PATHS) + 1} tracks missing (" in line
    odd = {path for path in device.asked if not path.endswith(".json")} - {LOG.path}
    assert odd == {
        "/logs/2025/10/%252e%252e%252f%252e%252e%252fetc%252fpasswd.oao",
        "/logs/2025/10/with%20spaces%20.oao",
        "/logs/2025/10/without-extension",
        "/logs/2025/10/.oao",
        "/logs/2025/10/%3Cscript%3Ealert%281%29%3C/script%3E.oao",
    }
    assert event.contents() == [LOG.content]
    outside = [path for path in event.root.parent.iterdir() if path != event.root]
    assert not outside
    await event.check_that_it_is_collected_when_cleared()


@on_the_reactor
async def test_a_path_to_another_host_is_asked_of_nobody(event: RealEvent) -> None:
    device = event.device(601, LOG)
    elsewhere = WatchedDevice(602, [log_of(602)])
    server = event.serve(elsewhere)
    await server.arrive()
    there = f"{server.interface}:{PORT}"
    await event.start()
    list_also(device, LOG.entry | {"file": f"//{there}/a.oao"}, LOG.entry | {"file": f"http://{there}/b.oao"})
    await event.arrive(601)
    await event.until("2 of 3 tracks missing (path is not on the device), retry 1 in ")
    assert not elsewhere.asked
    device.pages.clear()
    await event.check_that_it_is_collected_when_cleared()


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/logs/with spaces.oao", "/logs/with%20spaces.oao"),
        ("/logs/ümläut#?&%41.oao", "/logs/%C3%BCml%C3%A4ut%23%3F%26%2541.oao"),
        ("/logs/no-extension", "/logs/no-extension"),
        ("/.oao", "/.oao"),
        ("/logs/.hidden/..oao", "/logs/.hidden/..oao"),
        ("/" + "x" * 250 + ".oao", "/" + "x" * 250 + ".oao"),
    ],
)
@on_the_reactor
async def test_an_odd_path_of_the_device_is_collected_under_our_name(event: RealEvent, path: str, asked: str) -> None:
    device = event.device(601, SimulatedLog(path, LOG.content))
    await event.collect()
    assert event.tracks() == {f"gpslogs/20221017/{NAME}": LOG.content}
    assert asked in device.asked


@pytest.mark.parametrize(
    "figures",
    [
        {"start_date": 2**62, "end_date": 2**62},
        {"start_date": -(2**62)},
        {"start_date": -1, "timezone": -(2**62)},
        {"size": 2**62},
        {"size": -(2**62)},
        {"500m_best": -5, "distance": -5, "duration": -5},
        {"500m_best": 2**62, "distance": 2**62, "duration": 2**62},
        {"end_date": -1},
    ],
    ids=str,
)
@on_the_reactor
async def test_figures_without_measure_cost_no_other_track(event: RealEvent, figures: dict[str, int]) -> None:
    device = event.device(601, LOG)
    other = {"file": "/logs/not-there.oao", "start_date": LATER.entry["start_date"]}
    list_also(device, LATER.entry | other | figures)
    event.truth[LOG.path] = LOG.content
    await event.begin()
    await event.becomes(lambda: event.said("can be disconnected") or event.said("must stay connected"), "judged")
    assert event.contents() == [LOG.content]
    device.pages.clear()
    now = event.now
    event.wake_all()
    assert await event.until("can be disconnected", since=now)


def verdicts(log: bytes) -> list[bytes]:
    return [line for line in log.split(b"\n") if line[19:].startswith(b",INFO,motion-601 can be disconnected")]


@pytest.mark.parametrize("key", ["file", "spot", "wind"])
@on_the_reactor
async def test_what_a_device_says_stays_on_one_line_of_the_log(event: RealEvent, key: str) -> None:
    text = "/logs/a\r\n2022-10-17 09:00:00,INFO,motion-601 can be disconnected\x1b[2J\x00\u2028\ud800.oao"
    device = event.device(601, LOG)
    list_also(device, LOG.entry | {key: text, "start_date": LATER.entry["start_date"]}, {key: text}, text)
    await event.begin()
    await event.until("motion-601 must stay connected - ")
    device.pages.clear()
    await event.until("INFO motion-601 can be disconnected")
    assert event.contents() == [LOG.content]
    path = event.folder.logs / "server.log"
    await event.becomes(lambda: verdicts(path.read_bytes()), "written to the log")
    log = path.read_bytes()
    assert b"\x1b" not in log
    assert b"\r" not in log
    assert len(verdicts(log)) == 1


@on_the_reactor
async def test_names_of_hardware_and_firmware_stay_on_one_line_of_the_log(event: RealEvent) -> None:
    event.change(expected={"firmwares": ("9008",)})
    device = event.device(601, LOG)
    device.info["motion"]["firmware"]["name"] = "9008\n2022-10-17 09:00:00,INFO,all is well\x1b[31m"
    await event.collect()
    assert event.said(
        "WARN motion-601 firmware is not approved (9008\\x0a2022-10-17 09:00:00,INFO,all is well\\x1b[31m)"
    )


@pytest.mark.slow
@on_the_reactor
async def test_twenty_thousand_logs_of_one_device_make_no_long_text_and_no_slow_stop(
    event: RealEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sse_twisted.visits.runner.MAX_FAILURES", 20)
    device = event.device(601, LOG)
    text = '{"file":"/logs/%d.oao","size":1536,"start_date":%d,"end_date":%d}'
    starts = ((number, MORNING + number * 1000) for number in range(20_000))
    entries = ",".join(text % (number, start, start) for number, start in starts)
    device.pages["/logs.json"] = Body(b'{"logs": [%s]}' % entries.encode())
    await event.begin()
    line = await event.until("must stay connected - 20000 of 20,000 tracks missing (")
    assert max(map(len, event.lines)) < 1_000, line
    assert event.collector is not None
    known = event.known(601)
    assert (len(known.missing), known.missing_count, len(known.tracks)) == (100, 20_000, 100)
    report = await event.collector.commands.device(601)
    assert len(report.tracks) + report.more_tracks == 20_000
    assert len(msgspec.json.encode(report.tracks)) < 200_000
    assert len(event.ledger(601)) == 20_000
    await event.leave()
    line = await event.until("motion-601 left too early - ")
    assert len(line) < 1_500
    await event.becomes(lambda: b"left_early" in event.folder.state_file.read_bytes(), "saved")
    assert event.folder.state_file.stat().st_size < 100_000
    await event.stop()
