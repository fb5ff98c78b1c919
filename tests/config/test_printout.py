"""What `--print-config` prints, read back, gives the same settings."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sse_twisted.config import printout
from sse_twisted.config.server_json import read_original_settings
from sse_twisted.config.settings import Event, Settings, SettingsError, convert_settings, read_settings
from sse_twisted.runtime.log_levels import LEVELS

FIRST, LAST = datetime.date(2026, 10, 10), datetime.date(2026, 10, 16)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
HOSTS = st.sampled_from(["motion-470", "192.168.1.77", "router.lan:8080"])
ADDRESSES = st.ip_addresses(v=4).map(str)
LIMITS = st.integers(1, 10_000)
INTERVALS = st.floats(0.1, 86_400)
TABLES = {
    "event": st.builds(
        lambda folder, days: {"folder": f"/{folder}"} | days,
        TEXTS.filter(lambda text: "\0" not in text and "/" not in text and text not in (".", "..")),
        st.sampled_from([{}, {"first_day": FIRST, "last_day": LAST}]),
    ),
    "devices": st.fixed_dictionaries(
        {
            "listed": st.lists(HOSTS, max_size=3),
            "addresses": st.dictionaries(st.integers(1, 999_999).map("motion-{}".format), HOSTS, max_size=3),
            "port": st.integers(1, 65_535),
        }
    ),
    "names": st.fixed_dictionaries(
        {"servers": st.lists(ADDRESSES, max_size=3), "hosts_file": TEXTS, "timeout": st.floats(0.01, 86_400)},
        optional={"search": st.lists(st.sampled_from(["lan", "home.arpa"]), max_size=2)},
    ),
    "scan": st.fixed_dictionaries({"interval": INTERVALS}),
    "detection": st.fixed_dictionaries({"limit": LIMITS}),
    "downloads": st.fixed_dictionaries({"minimum_rate": st.floats(0, 1e6), "disk_reserve": st.integers(0, 1_000_000)}),
    "expected": st.fixed_dictionaries(
        {"firmwares": st.lists(TEXTS, max_size=3), "timezone": st.integers(-840, 840), "battery": st.integers(0, 100)}
    ),
    "web": st.fixed_dictionaries({"hosts": st.lists(TEXTS, max_size=3)}),
    "log": st.fixed_dictionaries({"console": st.sampled_from(LEVELS), "file": st.sampled_from(LEVELS)}),
}


def read_back(printed: str, tmp_path: Path) -> Settings:
    file = tmp_path / "sse.toml"
    file.write_text(printed, encoding="utf-8", newline="")
    return read_settings(file)


def test_the_defaults_are_the_example_without_an_event_folder() -> None:
    assert printout.settings_as_toml(Settings()) == printout.example().replace('"../events/2026"  ', '""' + 16 * " ")


def test_the_example_names_every_setting_with_its_default(tmp_path: Path) -> None:
    read = read_back(printout.example(), tmp_path)
    assert replace(read, event=Event()) == Settings()
    text = printout.example()
    for table, values in msgspec.structs.asdict(Settings()).items():
        part = text.partition(f"\n[{table}]")[2].partition("\n\n")[0]
        for key in msgspec.structs.asdict(values):
            assert f"\n{key} = " in part or f"\n# {key} = " in part or f"[{table}.{key}]" in part, key


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(tree=st.fixed_dictionaries({}, optional=TABLES))
@example(tree={"event": {"folder": '/a "quoted" \\ folder\x7f\x85\n# here'}})
@example(tree={"names": {"search": []}, "expected": {"firmwares": ["] # [log]"]}})
def test_any_settings_come_back(tmp_path: Path, tree: dict[str, dict[str, object]]) -> None:
    mine = convert_settings(tree, tmp_path)
    if mine.event.folder:
        mine = replace(mine, event=replace(mine.event, folder=str(Path(mine.event.folder).resolve())))
    assert read_back(printout.settings_as_toml(mine), tmp_path) == mine


def test_a_server_json_becomes_an_sse_toml(tmp_path: Path) -> None:
    file = tmp_path / "config" / "server.json"
    file.parent.mkdir()
    motion = {"Info": {"Firmwares": {"9008 (3232)": ["approved"]}, "Thresholds": {"Battery": 55}}}
    threading = {"DetectionThreadPool": {"Interval": 7, "Threads": 8}}
    tree = {"Event": "WSW", "Motion": motion, "Threading": threading, "Logging": {"File Level": 10}}
    file.write_text(json.dumps(tree))
    original = read_original_settings(file)
    printed = printout.settings_as_toml(original)
    assert read_back(printed, tmp_path) == original
    assert f'folder = "{tmp_path}/events/WSW"' in printed
    assert 'firmwares = ["9008 (3232)"]     # names of approved firmware' in printed


def test_a_comment_stays_beside_a_changed_value() -> None:
    printed = printout.settings_as_toml(convert_settings({"downloads": {"disk_reserve": 500}}, Path("sse.toml")))
    assert "\ndisk_reserve = 500              # MB to leave free; with less, downloads pause\n" in printed


def test_a_day_of_the_event_is_printed_as_a_setting_only_where_it_is_set(tmp_path: Path) -> None:
    assert "\n# first_day = 2026-10-10 " in printout.settings_as_toml(Settings())
    mine = Settings(event=Event("/events/2026", FIRST, LAST))
    assert "\nlast_day = 2026-10-16\n" in printout.settings_as_toml(mine)


def test_a_printed_file_with_a_mistake_typed_into_it_names_its_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"scan\.interval"):
        read_back(printout.settings_as_toml(Settings()).replace("interval = 1.0", "interval = 0"), tmp_path)
