"""JSON that is none, or not what it should be: in info.json, settings.json and logs.json."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from sse_twisted.simulator.faults import Fault
from sse_twisted.simulator.responses import Body
from tests.simulator.wire import on_the_reactor
from tests.support.event import log_of
from tests.support.real_event import RealEvent, WatchedDevice

LOG = log_of(601)
NAME = "ABC601XYZ_601_20221017_090000.oao"
PAGES = ["info.json", "settings.json", "logs.json"]
FAULTS = {
    "html": "is a web page, not JSON",
    "half-json": "is not valid JSON: ",
    "wrong-types": "",
    "1e400": "",
    "duplicate-keys": "is not valid JSON: duplicate key ",
    "nan": "is not valid JSON: NaN is not a JSON number",
    "deep-json": "is nested too deeply",
}
# The numbers of settings.json are texts, and texts of digits are as good as numbers.
HARMLESS = {("settings.json", "1e400"), ("settings.json", "wrong-types")}
CASES = [(page, name) for page in PAGES for name in FAULTS if (page, name) not in HARMLESS]
MUCH = 200_000_000  # bytes
FEW = 25_000_000  # bytes: the largest listing that is read, and what the system keeps between the two ends


def place(page: str) -> str:
    """What the log says first of a page that makes no sense."""
    return {
        "info.json": "WARN motion-601 invalid response at ",
        "settings.json": "WARN motion-601 settings are unknown (",
        "logs.json": "WARN motion-601 must stay connected - ",
    }[page]


@pytest.mark.parametrize(("page", "name"), CASES)
@on_the_reactor
async def test_an_answer_that_makes_no_sense_is_not_used(event: RealEvent, page: str, name: str) -> None:
    device = event.device(601, LOG)
    device.add_fault(Fault(name, at=20_000 if name == "deep-json" else 0), path=page)
    await event.begin()
    line = await event.until(place(page))
    assert FAULTS[name] in line
    if page == "settings.json":  # each log has a time zone as well
        await event.until("motion-601 can be disconnected")
        assert event.contents() == [LOG.content]
    else:
        if page == "info.json":
            await event.until(page, since=event.lines.index(line))
        await event.check_that_it_is_collected_when_cleared()


@pytest.mark.parametrize("page", PAGES)
@on_the_reactor
async def test_of_an_answer_that_does_not_end_only_so_much_is_read(event: RealEvent, page: str) -> None:
    device = event.device(601, LOG)
    device.add_fault(Fault("huge-json", MUCH), path=page, times=1)
    await event.begin()
    await event.until(place(page))
    (line,) = event.said(place(page))
    assert "more than 8,388,608 bytes" in line if page == "logs.json" else "more than 65,536 bytes" in line
    assert device.sent["/" + page] < FEW
    await event.until("motion-601 can be disconnected")
    assert event.contents() == [LOG.content]


@on_the_reactor
async def test_a_listing_of_a_hundred_thousand_lists_in_each_other_is_refused(event: RealEvent) -> None:
    device = event.device(601, LOG)
    device.add_fault(Fault("deep-json", 100_000), path="logs.json")
    await event.begin()
    await event.until("must stay connected - inspection failed: logs.json is nested too deeply, retry 2 in ")
    await event.check_that_it_is_collected_when_cleared()


@pytest.mark.parametrize("depth", [300, 900])
@pytest.mark.parametrize("page", PAGES)
@on_the_reactor
async def test_something_unknown_that_is_deep_does_no_harm(event: RealEvent, page: str, depth: int) -> None:
    device = event.device(601, LOG)
    sound = bytes(device.respond(b"GET", b"/" + page.encode(), {}).body)
    assert sound.startswith(b"{")
    device.pages["/" + page] = Body(b'{"new": ' + b"[" * depth + b"]" * depth + b", " + sound[1:])
    await event.begin()
    await event.becomes(lambda: event.said("can be disconnected") or event.said("nested too deeply"), "judged")
    if not event.said("can be disconnected"):
        device.pages.clear()
        await event.check_that_it_is_collected_when_cleared()
    assert event.contents() == [LOG.content]


@on_the_reactor
async def test_what_is_unknown_is_kept_as_it_came(event: RealEvent) -> None:
    device = event.device(601, LOG)
    device.info["motion"]["new"] = {"key": [1, 2.5, None, "text"]}
    await event.collect()
    kept = json.loads((event.folder.device_folder(601) / "info.json").read_bytes())
    assert kept == device.info


@pytest.mark.parametrize(
    "odd",
    [
        {"battery": {"level": -1}, "filesystem": {"level": 1e9}},
        {"battery": None, "filesystem": None, "hardware": None, "firmware": None},
        {"battery": 83.5, "filesystem": [], "hardware": 7, "firmware": "9100 beta"},
        {"battery": {"level": "83"}, "firmware": {"name": 9100}, "hardware": {}},
    ],
    ids=str,
)
@on_the_reactor
async def test_odd_figures_of_a_device_are_no_reason_not_to_collect(event: RealEvent, odd: dict[str, object]) -> None:
    event.change(expected={"firmwares": ("9008",)})
    device = event.device(601, LOG)
    device.info["motion"].update(odd)
    await event.collect()
    assert event.contents() == [LOG.content]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda device: device.info["motion"].update(identifier="motion-601"),
        lambda device: device.info["motion"].update(identifier=True),
        lambda device: device.info["motion"].update(identifier=-601),
        lambda device: device.info["motion"].update(identifier=10**30),
        lambda device: device.info["motion"].update(identifier=None),
        lambda device: device.info.update(motion=[601]),
        lambda device: device.info.clear(),
    ],
)
@on_the_reactor
async def test_who_does_not_say_who_it_is_is_nobody(event: RealEvent, spoil: Callable[[WatchedDevice], None]) -> None:
    device = event.device(601, LOG)
    sound = json.dumps(device.info)
    spoil(device)
    await event.begin()
    await event.until("WARN motion-601 invalid response at ")
    assert not event.said("is connected")
    device.info.clear()
    device.info.update(json.loads(sound))
    await event.check_that_it_is_collected_when_cleared()


def numbers_as(spelled: Callable[[int], object], value: object) -> object:
    """The value with every number in it spelled otherwise."""
    if isinstance(value, dict):
        return {key: numbers_as(spelled, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [numbers_as(spelled, inner) for inner in value]
    return spelled(value) if type(value) is int else value


ODD_BUT_CLEAR: dict[str, Callable[[bytes], bytes]] = {
    "a byte order mark": lambda body: b"\xef\xbb\xbf" + body,
    "trailing NULs": lambda body: body + bytes(100),
    "trailing bytes": lambda body: body + b']}\r\n"junk": 5}',
    "numbers as strings": lambda body: json.dumps(numbers_as(str, json.loads(body))).encode(),
    "numbers with leading zeros": lambda body: json.dumps(numbers_as("0{}".format, json.loads(body))).encode(),
    "numbers as n.0": lambda body: json.dumps(numbers_as(float, json.loads(body))).encode(),
    "UTF-16": lambda body: body.decode().encode("utf-16"),
}


@pytest.mark.parametrize("odd", ODD_BUT_CLEAR)
@on_the_reactor
async def test_json_that_is_odd_but_clear_is_understood(event: RealEvent, odd: str) -> None:
    device = event.device(601, LOG)
    for page in PAGES:
        sound = bytes(device.respond(b"GET", b"/" + page.encode(), {}).body)
        device.pages["/" + page] = Body(ODD_BUT_CLEAR[odd](sound))
    await event.collect()
    assert event.contents() == [LOG.content]
    assert event.ledger(601)[NAME]["outcome"] == "verified"
    assert not event.said("WARN motion-601")
    assert not event.said("ERROR")


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'{"logs": null}', b'{"logs": {}}', b"\xff\xfe", b"5"])
@on_the_reactor
async def test_a_listing_without_a_list_is_no_empty_list(event: RealEvent, body: bytes) -> None:
    device = event.device(601, LOG)
    device.pages["/logs.json"] = Body(body)
    await event.begin()
    await event.until("must stay connected - inspection failed: logs.json ")
    device.pages.clear()
    await event.check_that_it_is_collected_when_cleared()
