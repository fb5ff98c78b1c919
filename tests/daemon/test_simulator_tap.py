"""The command line of the simulator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.python.usage import UsageError

import sse_twisted
from sse_twisted.daemon.simulator_tap import Options, assemble_fleet, makeService
from sse_twisted.simulator.documents import motion_info, motion_settings
from sse_twisted.simulator.faults import FAULTS, Fault
from sse_twisted.simulator.fleet import SimulatedFleet
from sse_twisted.simulator.http import DeviceServer


def parsed(*arguments: str) -> Options:
    options = Options()
    options.parseOptions(arguments)
    return options


def assembled(*arguments: str) -> SimulatedFleet:
    clock: Any = Clock()
    clock.advance(1_760_284_800)
    return assemble_fleet(clock, parsed(*arguments))


def test_without_options_ten_devices_have_an_address_each_on_one_port() -> None:
    fleet = assembled()
    assert list(fleet.addresses) == list(range(601, 611))
    assert fleet.addresses[601] == ("127.1.0.1", 8080)
    assert fleet.addresses[610] == ("127.1.0.10", 8080)


def test_devices_can_share_an_address_with_a_port_each() -> None:
    fleet = assembled("--interface", "127.0.0.1", "--port", "9000", "--devices", "2", "--first-id", "8")
    assert fleet.addresses == {8: ("127.0.0.1", 9000), 9: ("127.0.0.1", 9001)}


def test_port_0_takes_free_ports() -> None:
    fleet = assembled("--interface", "127.0.0.1", "--port", "0", "--devices", "3")
    assert len(set(fleet.addresses.values())) == 3
    assert all(port > 1024 for _, port in fleet.addresses.values())


def test_rate_latency_and_ranges_are_those_of_every_device() -> None:
    for device in assembled("--rate", "400", "--latency", "0.5", "--ranges").devices.values():
        assert (device.bytes_per_second, device.latency, device.supports_range) == (400_000, 0.5, True)


def test_arrivals_are_spread_and_the_stay_is_as_asked() -> None:
    fleet = assembled("--arrivals", "60", "--stay", "20", "--away", "100")
    schedules = [member.schedule for member in fleet.members.values()]
    assert len({schedule.arrival for schedule in schedules}) == 10
    assert all(0 <= schedule.arrival <= 60 for schedule in schedules)
    assert {(schedule.stay, schedule.away) for schedule in schedules} == {(20, 100)}


def test_without_stay_devices_stay() -> None:
    assert {member.schedule.stay for member in assembled().members.values()} == {None}


def test_faults_are_sown_as_asked() -> None:
    fleet = assembled("--fault", "cut@4096=0", "--fault", "503:7", "--devices", "3")
    for device in fleet.devices.values():
        assert [active.fault for active in device.faults] == [Fault("503", seconds=7.0)]


def test_the_same_seed_sows_the_same_faults() -> None:
    def unlucky(seed: str) -> list[int]:
        fleet = assembled("--fault", "404=0.3", "--devices", "100", "--seed", seed)
        return [identifier for identifier, device in fleet.devices.items() if device.faults]

    assert unlucky("5") == unlucky("5") != unlucky("6")


def test_captured_devices_take_the_place_of_invented_ones(tmp_path: Path) -> None:
    folder = tmp_path / "motions" / "motion-747"
    folder.mkdir(parents=True)
    for name, document in (("info", motion_info(747)), ("settings", motion_settings()), ("logs", {"logs": []})):
        (folder / f"{name}.json").write_text(json.dumps(document))
    fleet = assembled("--captures", str(tmp_path))
    assert list(fleet.devices) == [747]
    assert isinstance(fleet.members[747].station, DeviceServer)


def test_a_size_takes_the_place_of_an_afternoon() -> None:
    (member,) = assembled("--devices", "1", "--size", "2000").members.values()
    assert member.prepare is not None
    member.prepare()
    (log,) = member.station.device.logs
    assert 1_999_900 < len(log.content) <= 2_000_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--devices", "0"], "at least 1"),
        (["--devices", "many"], "'many' is not a whole number"),
        (["--devices", "-3"], "'-3' is not a whole number"),
        (["--first-id", "65530"], "the largest number of a device is 65535"),
        (["--rate", "-1"], "'-1' is not a number from 0 on"),
        (["--latency", "nan"], "'nan' is not a number from 0 on"),
        (["--stay", "inf"], "'inf' is not a number from 0 on"),
        (["--port", "0"], "--port 0 needs --interface: otherwise one port serves all devices"),
        (["--port", "70000"], "--port 70000: expected 65535 or less"),
        (["--interface", "192.168.1.5"], "192.168.1.5 is not a loopback address"),
        (["--interface", "0.0.0.0"], "not a loopback address"),  # noqa: S104 - it is refused
        (["--address", "10.0.0.0"], "10.0.0.0 is not a loopback address"),
        (["--address", "home"], "--address: "),
        (["--address", "127.1.0.0", "--interface", "127.0.0.1"], "not both"),
        (["--tracks", "/tmp"], "--tracks needs --captures"),  # noqa: S108 - it is refused
        (["--dns-mode", "sometimes"], "--dns-mode: 'sometimes' is not a valid DnsMode"),
        (["--fault", "cutt@5"], "did you mean 'cut'"),
        (["--fault", "cut"], "needs a byte"),
        (["--fault", "404=2"], "from 0 to 1"),
        (["--nonsense"], "nonsense"),
        (["surplus"], "Wrong number of arguments"),
    ],
)
def test_bad_values_are_refused_in_one_line(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        parsed(*arguments)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--captures", "/nowhere"], "no motion-<id> folder in /nowhere/motions"),
        (["--address", "127.255.255.250"], "no 10 loopback addresses"),
        (["--interface", "127.0.0.1", "--port", "65530"], "no 10 ports from 65530 on"),
    ],
)
def test_what_turns_out_impossible_is_refused_in_one_line(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        makeService(parsed(*arguments))
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed("--version")
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"sse_twisted {sse_twisted.__version__}\n"


def test_the_help_tells_every_option_and_every_fault() -> None:
    shown = Options().getUsage(width=100)
    assert all(f"  {name} " in shown for name in FAULTS)
    for option in ("--devices", "--captures", "--fault", "--dns-mode", "--stale-names", "--seed"):
        assert option in shown
    assert "NAME[@BYTE][:SECONDS][=PROBABILITY]" in shown
