from __future__ import annotations

import datetime
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.config.settings import (
    Settings,
    SettingsError,
    convert_settings,
    differences,
    read_settings,
)

DEFAULTS: dict[str, object] = {
    "event.folder": "",
    "event.first_day": None,
    "event.last_day": None,
    "devices.listed": (),
    "devices.addresses": {},
    "devices.port": 80,
    "names.servers": (),
    "names.search": None,
    "names.timeout": 1.0,
    "names.catch_all": ("10.10.10.10",),
    "names.hosts_file": "/etc/hosts",
    "names.resolver_file": "/etc/resolv.conf",
    "scan.interval": 1.0,
    "detection.limit": 64,
    "detection.timeout": 1.0,
    "inspection.limit": 16,
    "inspection.timeout": 10.0,
    "downloads.limit": 16,
    "downloads.timeout": 10.0,
    "downloads.minimum_rate": 1.0,
    "downloads.largest_track": 1024,
    "downloads.first_retry": 2.0,
    "downloads.last_retry": 60.0,
    "downloads.disk_reserve": 50,
    "cleanup.interval": 10.0,
    "cleanup.limit": 16,
    "cleanup.timeout": 5.0,
    "expected.firmwares": (),
    "expected.storage": 95,
    "expected.battery": 60,
    "expected.gnss_rate": 5,
    "expected.one_log_per_day": 0,
    "expected.timezone": 60,
    "expected.flash": 1,
    "expected.short_hours": 40,
    "expected.short_distance": 20,
    "filters.best_500m": 1.0,
    "ranking.by": (),
    "hand_in.folders": (),
    "copies.folders": (),
    "copies.required": False,
    "web.hosts": (),
    "web.streams": 100,
    "log.console": "info",
    "log.file": "info",
}

SECONDS = (0.01, 86_400, 0.009, 86_400.5)  # the least and the most that is taken, and what is just outside
INTERVAL = (0.1, 86_400, 0.099, 86_400.5)
LIMIT = (1, 10_000, 0, 10_001)
PERCENT = (0, 100, -1, 101)
MEGABYTES = (0, 1_000_000, -1, 1_000_001)
LIMITS = {
    "devices.port": (1, 65_535, 0, 65_536),
    "names.timeout": SECONDS,
    "scan.interval": INTERVAL,
    "detection.limit": LIMIT,
    "detection.timeout": SECONDS,
    "inspection.limit": LIMIT,
    "inspection.timeout": SECONDS,
    "downloads.limit": LIMIT,
    "downloads.timeout": SECONDS,
    "downloads.minimum_rate": (0, 1e6, -0.5, 1e6 + 1),
    "downloads.largest_track": (1, 1_000_000, 0, 1_000_001),
    "downloads.first_retry": (0.1, 60, 0.099, 86_400.5),
    "downloads.last_retry": (2, 86_400, 0.099, 86_400.5),
    "downloads.disk_reserve": MEGABYTES,
    "cleanup.interval": INTERVAL,
    "cleanup.limit": LIMIT,
    "cleanup.timeout": SECONDS,
    "expected.storage": PERCENT,
    "expected.battery": PERCENT,
    "expected.gnss_rate": (1, 100, 0, 101),
    "expected.one_log_per_day": (0, 1, -1, 2),
    "expected.timezone": (-840, 840, -841, 841),
    "expected.flash": (0, 255, -1, 256),
    "expected.short_hours": PERCENT,
    "expected.short_distance": PERCENT,
    "filters.best_500m": (0, 100, -0.1, 100.1),
    "web.streams": LIMIT,
}
FLOATS = [key for key, value in DEFAULTS.items() if type(value) is float]


def flat(settings: Settings) -> dict[str, Any]:
    tree = msgspec.structs.asdict(settings)
    return {f"{t}.{key}": value for t, table in tree.items() for key, value in msgspec.structs.asdict(table).items()}


def written(folder: Path, text: str | bytes) -> Path:
    file = folder / "sse.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def with_key(folder: Path, key: str, value: object) -> Path:
    """A file that sets one key, to a value or to what TOML reads in a text."""
    table, _, name = key.partition(".")
    return written(folder, f"[{table}]\n{name} = {value if isinstance(value, str) else json.dumps(value)}\n")


def complaint(file: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        read_settings(file)
    text = str(caught.value)
    assert text.startswith(f"{file}: ")
    assert text.isprintable(), "not one line"
    return text.removeprefix(f"{file}: ")


def test_everything_has_a_default(tmp_path: Path) -> None:
    assert flat(read_settings(written(tmp_path, ""))) == DEFAULTS
    assert read_settings(written(tmp_path, "")) == Settings()


@pytest.mark.parametrize("key", LIMITS)
def test_a_number_is_taken_within_its_limits(tmp_path: Path, key: str) -> None:
    least, most, *outside = LIMITS[key]
    for value in (least, most):
        assert flat(read_settings(with_key(tmp_path, key, value)))[key] == value
    for value in outside:
        assert complaint(with_key(tmp_path, key, value)).startswith(f"{key}: Expected ")


@pytest.mark.parametrize("word", ["nan", "inf", "-inf"])
def test_a_number_that_is_not_finite_is_refused(tmp_path: Path, word: str) -> None:
    for key in FLOATS:
        assert complaint(with_key(tmp_path, key, word)).startswith(f"{key}: Expected `float` ")


@pytest.mark.parametrize("value", ['"5"', "true", "[5]", "{}", "2022-10-15"])
def test_a_number_of_another_type_is_refused_by_its_key(tmp_path: Path, value: str) -> None:
    for key in LIMITS:
        assert complaint(with_key(tmp_path, key, value)).startswith(f"{key}: Expected ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("scann = 5", "Object contains unknown field `scann`"),
        ("[scan]\nintervall = 5", "scan: Object contains unknown field `intervall`"),
        ("scan = 5", "scan: Expected `object`, got `int`"),
        ("[event]\nfolder = 5", "event.folder: Expected `str`, got `int`"),
        ("[event]\nfirst_day = 2022-10-15", "event.first_day and event.last_day: set both or neither"),
        ("[event]\nlast_day = 2022-10-15", "event.first_day and event.last_day: set both or neither"),
        ("[event]\nfirst_day = 2022-10-16\nlast_day = 2022-10-15", "event.last_day is before event.first_day"),
        ("[event]\nfirst_day = 'tomorrow'\nlast_day = 2022-10-15", "event.first_day: Invalid RFC3339 encoded date"),
        ("[event]\nfirst_day = 2022-10-15T08:00:00\nlast_day = 2022-10-15", "event.first_day: Expected `date | null`"),
        ("[devices]\nlisted = 'motion-470'", "devices.listed: Expected `array`, got `str`"),
        ("[devices]\nlisted = [470]", "devices.listed[0]: Expected `str`, got `int`"),
        ("[devices]\nlisted = ['http://a/']", "devices.listed: 'http://a/' is not a valid address"),
        ("[devices.addresses]\n601 = 'a'", "devices.addresses: '601' is not a device name such as motion-601"),
        (
            "[devices.addresses]\nmotion-0 = 'a'",
            "devices.addresses: 'motion-0' is not a device name such as motion-601",
        ),
        ("[devices.addresses]\nmotion-601 = 'a b'", "devices.addresses.motion-601: 'a b' is not a valid address"),
        ("[devices.addresses]\nmotion-601 = 5", "devices.addresses[...]: Expected `str`, got `int`"),
        ("[names]\nservers = ['10.0.0.1:65536']", "names.servers: '10.0.0.1:65536' is not a valid address"),
        (
            "[devices.addresses]\nMotion-601 = '10.0.0.1'\nmotion-601 = '10.0.0.2'",
            "devices.addresses: 'Motion-601' and 'motion-601' are the same device",
        ),
        ("[names]\ncatch_all = ['foo']", "names.catch_all: 'foo' is not a valid IPv4 address"),
        ("[names]\ncatch_all = ['10.0.0.1:80']", "names.catch_all: '10.0.0.1:80' is not a valid IPv4 address"),
        ("[names]\nsearch = ['lan', 'a b']", "names.search: 'a b' is not a domain"),
        ("[names]\nsearch = ['a..b']", "names.search: 'a..b' is not a domain"),
        ("[names]\nsearch = ['lan:53']", "names.search: 'lan:53' is not a domain"),
        ("[names]\nsearch = ['']", "names.search: '' is not a domain"),
        ("[names]\ncatch_all = ['10.0.0.1', 5]", "names.catch_all[1]: Expected `str`, got `int`"),
        ("[downloads]\nfirst_retry = 61", "downloads.last_retry is shorter than downloads.first_retry"),
        ("[expected]\nfirmwares = 'x'", "expected.firmwares: Expected `array`, got `str`"),
        ("[log]\nfile = 'loud'", "log.file: invalid value 'loud'; allowed: debug, "),
        ("[log]\nconsole = 20", "log.console: Expected `str`, got `int`"),
    ],
)
def test_a_mistake_is_one_line_with_file_and_key(tmp_path: Path, text: str, expected: str) -> None:
    assert complaint(written(tmp_path, text)).startswith(expected)


def test_a_key_with_a_line_break_makes_no_second_line(tmp_path: Path) -> None:
    assert "unknown field" in complaint(written(tmp_path, '[scan]\n"a\\nb" = 5'))


@pytest.mark.parametrize(
    "torn", [b"[scan", b"[scan]\ninterval =", b"interval 5", b"[scan]\nlimit = 1\nlimit = 2", b"\xff\xfe[\0", b"\0"]
)
def test_invalid_toml_is_refused(tmp_path: Path, torn: bytes) -> None:
    assert complaint(written(tmp_path, torn))


def test_toml_without_end_is_refused(tmp_path: Path) -> None:
    assert complaint(written(tmp_path, b"a = " + b"[" * 100_000))


@pytest.mark.parametrize("end", ["", "\n", "\r\n\r\n"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[scan]\ninterval =", "line 2: Invalid value: 'interval ='"),
        ("[scan]\ninterval = 1\ninterval = 2", "line 3: Cannot overwrite a value: 'interval = 2'"),
        ("[scan]\ninterval = 1\n[scan]", "line 3: Cannot declare ('scan',) twice: '[scan]'"),
        ("[devices]\nlisted = [\n  'motion-470',", "line 3: Invalid value: \"'motion-470',\""),
    ],
)
def test_invalid_toml_is_reported_with_its_line(tmp_path: Path, text: str, expected: str, end: str) -> None:
    assert complaint(written(tmp_path, text + end)) == expected


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_the_line_that_is_not_utf_8_is_named(tmp_path: Path, mark: bytes) -> None:
    text = "[event]\n" + "# a line\n" * 9 + "folder = 'Zoë'\n# the end\n"
    assert complaint(written(tmp_path, mark + text.encode("cp1252"))) == "line 11: invalid UTF-8 (byte 0xeb)"


def test_a_word_that_is_not_allowed_is_refused_with_those_that_are(tmp_path: Path) -> None:
    allowed = "invalid value 'loud'; allowed: debug, info, warning, error, critical"
    for key in ("log.console", "log.file"):
        assert complaint(with_key(tmp_path, key, "'loud'")) == f"{key}: {allowed}"


def test_an_unknown_key_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    assert complaint(with_key(tmp_path, "detection.limits", 5)).endswith(
        "unknown field `limits`; allowed: limit, timeout"
    )
    tables = (
        "event, devices, names, scan, detection, inspection, downloads, cleanup, expected, filters, ranking, hand_in, "
        "copies, "
        "web, log"
    )
    assert complaint(written(tmp_path, "scann = 5")).endswith(f"unknown field `scann`; allowed: {tables}")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert complaint(tmp_path / "none.toml") == "No such file or directory"
    assert complaint(tmp_path) == "Is a directory"
    assert complaint(written(tmp_path, "") / "below.toml") == "Not a directory"


def test_a_name_server_is_given_by_its_address(tmp_path: Path) -> None:
    """A name would be refused by the socket at each look-up of each device, in each round."""
    for server in ("router", "router.lan:53", "10.0.0", "10.0.0.256", "1.2.3.4.5"):
        assert complaint(with_key(tmp_path, "names.servers", [server])).startswith("names.servers: ")


@pytest.mark.parametrize("name", ["motion-xx", "Motion-6O1", "motion-0", "motion-0601:80", "motion-x.lan", "601"])
def test_a_device_that_has_no_number_can_not_be_listed(tmp_path: Path, name: str) -> None:
    expected = f"{name!r} is not a device name such as motion-601"
    assert complaint(with_key(tmp_path, "devices.listed", ["motion-601", name])) == f"devices.listed: {expected}"
    addresses = written(tmp_path, f"[devices.addresses]\nmotion-601 = '{name}'")
    assert complaint(addresses) == f"devices.addresses.motion-601: {expected}"


@pytest.mark.parametrize("address", ["300.1.1.1", "10.0.0", "10.0.0.1.2:80", "10.0.0.01", "10..0.1", "gps.1"])
def test_an_invalid_address_is_not_taken_for_a_name(tmp_path: Path, address: str) -> None:
    expected = f"{address!r} is not a valid IPv4 address"
    assert complaint(with_key(tmp_path, "devices.listed", [address])) == f"devices.listed: {expected}"
    addresses = written(tmp_path, f"[devices.addresses]\nmotion-601 = '{address}'")
    assert complaint(addresses) == f"devices.addresses.motion-601: {expected}"


def test_devices_may_be_listed_by_number_by_any_name_or_by_address(tmp_path: Path) -> None:
    listed = ("motion-470", "MOTION-7", "motion-601.lan:8080", "gps", "gps-2.home.arpa", "601.lan", "10.0.0.1:8080")
    assert read_settings(with_key(tmp_path, "devices.listed", listed)).devices.listed == listed


def test_search_domains_may_have_several_labels_or_be_none(tmp_path: Path) -> None:
    for domains in ((), ("lan",), ("home.arpa", "event-2026.local")):
        assert read_settings(with_key(tmp_path, "names.search", domains)).names.search == domains


def test_name_servers_may_have_ports(tmp_path: Path) -> None:
    servers = ("10.0.0.1", "10.0.0.2:5353")
    assert read_settings(with_key(tmp_path, "names.servers", servers)).names.servers == servers


def test_the_event_folder_is_relative_to_the_file(tmp_path: Path) -> None:
    below = tmp_path / "config"
    below.mkdir()
    file = with_key(below, "event.folder", "'../events/WSW'")
    assert read_settings(file).event.folder == str(tmp_path / "events" / "WSW")
    assert read_settings(with_key(below, "event.folder", "'/srv/WSW'")).event.folder == "/srv/WSW"
    assert read_settings(with_key(below, "event.folder", "'.'")).event.folder == str(below)


def test_an_event_folder_that_no_system_takes_is_refused(tmp_path: Path) -> None:
    assert complaint(written(tmp_path, '[event]\nfolder = "a\\u0000b"'))


def test_the_days_of_the_event(tmp_path: Path) -> None:
    event = read_settings(written(tmp_path, "[event]\nfirst_day = 2022-10-15\nlast_day = '2022-10-15'")).event
    assert event.first_day == event.last_day == datetime.date(2022, 10, 15)


def test_changes_are_listed_by_key() -> None:
    changed = convert_settings({"scan": {"interval": 5}, "devices": {"listed": ["motion-470"]}}, Path("x"))
    assert list(differences(Settings(), changed)) == [
        "devices.listed: () -> ('motion-470',)",
        "scan.interval: 1.0 -> 5.0",
    ]
    assert not list(differences(changed, changed))


ANYTHING_IN_TOML = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes() | st.dates() | st.times(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["interval", "folder", "y"]), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["scan", "event", "devices", "names", "x"]), ANYTHING_IN_TOML, max_size=3))
def test_any_tree_is_settings_or_refused(tree: dict[str, Any]) -> None:
    with suppress(SettingsError):
        assert isinstance(convert_settings(tree, Path("x")), Settings)
