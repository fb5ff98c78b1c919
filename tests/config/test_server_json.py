from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.config.server_json import EVENT, FIRMWARES, KEYS, read_original_settings, remarks_on
from sse_twisted.config.settings import Settings, SettingsError, differences

# As the original's documentation has it, with comments where its authors put them.
SAMPLE: dict[str, Any] = {
    "Comment": "Weymouth Speed Week",
    "Event": "WSW2022",
    "Motion": {
        "Comment": ["of the devices"],
        "Info": {
            "Firmwares": {
                "Comment": "approved",
                "9002 Weymouth Speed Week": ["the event's own"],
                "3232 Release": [],
                "9.0 (x)": {"Comment": "a dot in its name"},
            },
            "Thresholds": {"Comment": {"Storage": "percent"}, "Storage": 90, "Battery": 50},
        },
        "Settings": {"GNSS Rate": 10, "One Log Per Day": 1, "Timezone": 0, "Flash": 2, "Comment": 5},
    },
    "Filters": {"500m Best": 8, "Comment": "knots"},
    "Logging": {"Console Level": 10, "File Level": 30},
    "Threading": {
        "DetectionThread": {"Timeout": 3},
        "DetectionThreadPool": {"Interval": 7, "Threads": 9},
        "InspectionThread": {"Timeout": 11},
        "InspectionThreadPool": {"Threads": 12},
        "DownloadThread": {"Timeout": 31},
        "DownloadThreadPool": {"Threads": 13},
        "DisconnectionThread": {"Timeout": 14},
        "DisconnectionThreadPool": {"Interval": 15, "Threads": 17},
    },
}
OURS = {
    "expected.firmwares: () -> ('9002 Weymouth Speed Week', '3232 Release', '9.0 (x)')",
    "expected.storage: 95 -> 90",
    "expected.battery: 60 -> 50",
    "expected.gnss_rate: 5 -> 10",
    "expected.one_log_per_day: 0 -> 1",
    "expected.timezone: 60 -> 0",
    "expected.flash: 1 -> 2",
    "filters.best_500m: 1.0 -> 8.0",
    "log.console: info -> debug",
    "log.file: info -> warning",
    "detection.timeout: 1.0 -> 3.0",
    "scan.interval: 1.0 -> 7.0",
    "inspection.timeout: 10.0 -> 11.0",
    "inspection.limit: 16 -> 12",
    "downloads.timeout: 10.0 -> 31.0",
    "downloads.limit: 16 -> 13",
    "cleanup.timeout: 5.0 -> 14.0",
    "cleanup.interval: 10.0 -> 15.0",
    "cleanup.limit: 16 -> 17",
}


def written(folder: Path, tree: object) -> Path:
    file = folder / "config" / "server.json"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(tree if isinstance(tree, bytes) else json.dumps(tree).encode())
    return file


def tree_of(key: str, value: object) -> dict[str, Any]:
    tree: Any = value
    for name in reversed(key.split(".")):
        tree = {name: tree}
    return dict(tree)


def complaint(file: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        read_original_settings(file)
    text = str(caught.value)
    assert text.startswith(f"{file}: ")
    assert text.isprintable(), "not one line"
    return text.removeprefix(f"{file}: ")


def test_every_key_has_its_setting(tmp_path: Path) -> None:
    settings = read_original_settings(written(tmp_path, SAMPLE))
    folder = f"event.folder:  -> {tmp_path / 'events' / 'WSW2022'}"
    assert set(differences(Settings(), settings)) == OURS | {folder}


def test_without_keys_the_defaults_count(tmp_path: Path) -> None:
    assert read_original_settings(written(tmp_path, {})) == Settings()
    assert read_original_settings(written(tmp_path, {"Comment": "x", "Motion": {"Comment": 1}})) == Settings()


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    file = written(tmp_path, b"\xef\xbb\xbf" + json.dumps(SAMPLE).encode())
    assert read_original_settings(file).scan.interval == 7


def test_led_flash_is_another_name_of_flash(tmp_path: Path) -> None:
    assert read_original_settings(written(tmp_path, tree_of("Motion.Settings.LED Flash", 0))).expected.flash == 0


@pytest.mark.parametrize(
    ("number", "level"), [(10, "debug"), (20, "info"), (30, "warning"), (40, "error"), (50, "critical")]
)
def test_levels_are_numbers(tmp_path: Path, number: int, level: str) -> None:
    log = {"Logging": {"Console Level": number, "File Level": number}}
    settings = read_original_settings(written(tmp_path, log))
    assert (settings.log.console, settings.log.file) == (level, level)


@pytest.mark.parametrize("level", [0, 15, 60, "INFO", True, 20.0, None, [20], {"x": 1}])
def test_another_level_is_refused(tmp_path: Path, level: object) -> None:
    assert complaint(written(tmp_path, tree_of("Logging.File Level", level))).startswith("Logging.File Level")


@pytest.mark.parametrize(
    "key", [key for key in KEYS if key not in (EVENT, FIRMWARES) and not key.startswith("Logging")]
)
def test_a_wrong_value_is_refused_in_the_original_words(tmp_path: Path, key: str) -> None:
    for value in ("5", None, [5], True, -1000, 1e9):
        assert complaint(written(tmp_path, tree_of(key, value))).startswith(f"{key}: Expected ")


@pytest.mark.parametrize("word", [b"NaN", b"Infinity", b"-Infinity", b"1e400"])
def test_a_number_that_is_not_finite_is_refused(tmp_path: Path, word: bytes) -> None:
    file = written(tmp_path, b'{"Threading": {"DownloadThread": {"Timeout": ' + word + b"}}}")
    assert complaint(file).startswith("Threading.DownloadThread.Timeout: Expected `float`")


def remarks(file: Path) -> list[str]:
    """The warnings, without the path of the file."""
    said = remarks_on(str(file))
    assert all(remark.text.startswith(f"{file}: ") for remark in said)
    assert all(remark.text.isprintable() for remark in said)
    return [remark.text.removeprefix(f"{file}: ") for remark in said if remark.is_warning]


def ignored(file: Path) -> list[str]:
    said = [remark.text for remark in remarks_on(str(file)) if not remark.is_warning]
    assert len(said) <= 1
    return said[0].partition("the collector has no threads: ")[2].split(", ") if said else []


@pytest.mark.parametrize(
    ("tree", "remark"),
    [
        ({"Evnet": "WSW2022"}, "Evnet: unknown key, ignored (line 1); did you mean 'Event'?"),
        ({"event": "WSW2022"}, "event: unknown key, ignored (line 1); did you mean 'Event'?"),
        ({"motion": {}}, "motion: unknown key, ignored (line 1); did you mean 'Motion'?"),
        ({"Colour": "red"}, "Colour: unknown key, ignored (line 1)"),
        (
            {"Motion": {"Settings": {"GNSS rate": 5}}},
            "Motion.Settings.GNSS rate: unknown key, ignored (line 1); did you mean 'GNSS Rate'?",
        ),
        (
            {"Threading": {"DownloadThread": {"Timeuot": 5}}},
            "Threading.DownloadThread.Timeuot: unknown key, ignored (line 1); did you mean 'Timeout'?",
        ),
        ({"Queuing": {"Time": 1}}, "Queuing.Time: unknown key, ignored (line 1)"),
        ({"a\n": 1}, "a\\x0a: unknown key, ignored (line 1)"),
    ],
)
def test_an_unknown_key_is_a_warning_with_its_line(tmp_path: Path, tree: object, remark: str) -> None:
    file = written(tmp_path, tree)
    assert read_original_settings(file) == Settings()
    assert remarks(file) == [remark]


def test_the_line_is_that_of_the_key_in_its_section(tmp_path: Path) -> None:
    tree: dict[str, Any] = {
        "Threading": {"DetectionThread": {"Timeout": 1}, "DownloadThread": {"Timeout": "x", "Timeuot": 1}}
    }
    file = written(tmp_path, json.dumps(tree, indent=1).encode())
    assert complaint(file) == "Threading.DownloadThread.Timeout: Expected `float`, got `str` (line 7)"
    tree["Threading"]["DownloadThread"]["Timeout"] = 5
    file = written(tmp_path, json.dumps(tree, indent=1).encode())
    assert "(line 8)" in remarks(file)[0]


@pytest.mark.parametrize("tree", [{"Motion": 5}, {"Motion": []}, {"Threading": {"DownloadThread": None}}])
def test_a_value_in_place_of_a_section_is_refused(tmp_path: Path, tree: object) -> None:
    assert complaint(written(tmp_path, tree)).endswith(": expected an object {…}")


def test_a_section_in_place_of_a_value_is_refused(tmp_path: Path) -> None:
    text = complaint(written(tmp_path, {"Filters": {"500m Best": {"knots": 5}}}))
    assert text == "Filters.500m Best: Expected `float`, got `object` (line 1)"


def test_what_the_threads_of_the_original_did_is_ignored_and_named_in_one_line(tmp_path: Path) -> None:
    threads = {"DetectionThread": {"Threads": 1, "Timeout": 1}, "DownloadThreadPool": {"Interval": 5, "Threads": 4}}
    file = written(tmp_path, {"Queuing": {"Timeout": 1}, "Threading": threads | {"MainThread": {"Timeout": 3}}})
    settings = read_original_settings(file)
    assert (settings.detection.timeout, settings.downloads.limit) == (1, 4)
    assert ignored(file) == [
        "Queuing.Timeout",
        "Threading.DetectionThread.Threads",
        "Threading.DownloadThreadPool.Interval",
        "Threading.MainThread.Timeout",
    ]
    assert remarks(file) == []


@pytest.mark.parametrize(("threads", "limit"), [(1, 64), (8, 64), (64, 64), (100, 100)])
def test_threads_that_look_for_devices_are_no_limit_on_devices(tmp_path: Path, threads: int, limit: int) -> None:
    pools = {"DetectionThreadPool": {"Threads": threads}, "DisconnectionThreadPool": {"Threads": threads}}
    file = written(tmp_path, {"Threading": pools})
    settings = read_original_settings(file)
    assert (settings.detection.limit, settings.cleanup.limit) == (limit, max(threads, 16))
    small = {"Threading.DetectionThreadPool.Threads": threads < 64}
    small["Threading.DisconnectionThreadPool.Threads"] = threads < 16
    assert ignored(file) == [key for key, is_small in small.items() if is_small]


def test_an_invalid_file_and_one_of_ours_have_no_remarks(tmp_path: Path) -> None:
    assert remarks_on(None) == remarks_on("sse.toml") == remarks_on(str(tmp_path / "none.json")) == ()
    assert remarks_on(str(written(tmp_path, b"{"))) == ()


PRODUCTION = {
    "Comment": "server.json of a season",
    "Event": 2025,
    "Motion": {
        "Info": {
            "Firmwares": {"9008 Weymouth SW (3232)": ["the event's own"], "3232 Release": []},
            "Thresholds": {"Storage": 95, "Battery": 60},
        },
        "Settings": {"GNSS Rate": 5, "One Log Per Day": 0, "Timezone": 60, "Flash": 1},
    },
    "Filters": {"500m Best": 1},
    "Logging": {"Console Level": 20, "File Level": 10},
    "Queuing": {"Timeout": 1},
    "Threading": {
        "Comment": "how many motions can be polled, inspected, downloaded, checked concurrently",
        "DetectionThread": {"Timeout": 1},
        "DetectionThreadPool": {"Interval": 5, "Threads": 8},
        "InspectionThread": {"Timeout": 10},
        "InspectionThreadPool": {"Threads": 4},
        "DownloadThread": {"Timeout": 30},
        "DownloadThreadPool": {"Threads": 4},
        "DisconnectionThread": {"Timeout": 5},
        "DisconnectionThreadPool": {"Interval": 10, "Threads": 8},
    },
}


@pytest.mark.parametrize("event", [2022, 2023, 2024, 2025, "2022", "WSW2022"])
def test_the_file_of_production_is_read_as_it_is(tmp_path: Path, event: object) -> None:
    file = written(tmp_path, PRODUCTION | {"Event": event})
    settings = read_original_settings(file)
    assert settings.event.folder == str(tmp_path / "events" / str(event))
    assert (settings.scan.interval, settings.inspection.limit, settings.downloads.limit) == (5, 4, 4)
    assert remarks(file) == []
    assert ignored(file) == [
        "Queuing.Timeout",
        "Threading.DetectionThreadPool.Threads",
        "Threading.DisconnectionThreadPool.Threads",
    ]


@pytest.mark.parametrize("event", ["", "a/b", "/etc", ".", "..", "../events", 5.0, True, None, ["a"], "a\0b"])
def test_an_event_that_does_not_name_a_folder_is_refused(tmp_path: Path, event: object) -> None:
    assert complaint(written(tmp_path, {"Event": event})).startswith("Event: expected the name of a folder, got ")


def test_an_event_may_be_a_number(tmp_path: Path) -> None:
    settings = read_original_settings(written(tmp_path, {"Event": 2025}))
    assert settings.event.folder == str(tmp_path / "events" / "2025")


@pytest.mark.parametrize("firmwares", [None, [], ["9002"], "9002", 5])
def test_firmwares_are_an_object(tmp_path: Path, firmwares: object) -> None:
    text = complaint(written(tmp_path, tree_of("Motion.Info.Firmwares", firmwares)))
    assert text == "Motion.Info.Firmwares: expected an object {name: [comments]} (line 1)"


@pytest.mark.parametrize("torn", [b"", b"{", b"\xff{}", b"{'Event': 1}", b"[" * 100_000])
def test_invalid_json_is_refused(tmp_path: Path, torn: bytes) -> None:
    assert re.match(r"(line 1: )?invalid (JSON|UTF-8)", complaint(written(tmp_path, torn)))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"Event": 1,\n}', "line 2: invalid JSON: no comma is allowed before } or ]: '}'"),
        ('{"Motion": [1,\n2,]\n}', "line 2: invalid JSON: no comma is allowed before } or ]: '2,]'"),
        ('{\n// x\n"Event": 1}', "line 2: invalid JSON: JSON has no comments; use a \"Comment\" key: '// x'"),
        (
            '{"Event": 1 // x\n}',
            'line 1: invalid JSON: JSON has no comments; use a "Comment" key: \'{"Event": 1 // x\'',
        ),
        ('{"Event" 1}', "line 1: invalid JSON: Expecting ':' delimiter: '{\"Event\" 1}'"),
    ],
)
def test_what_is_wrong_with_json_is_said_with_its_line(tmp_path: Path, text: str, why: str) -> None:
    assert complaint(written(tmp_path, text.encode())) == why


@pytest.mark.parametrize("text", [b"[1]", b'"x"'])
def test_json_that_is_not_an_object_is_refused(tmp_path: Path, text: bytes) -> None:
    assert complaint(written(tmp_path, text)) == "expected a JSON object"


def test_the_line_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    text = '{\n "Comment": "x",\n "Event": "Zoë"\n}\n'
    assert complaint(written(tmp_path, text.encode("cp1252"))) == (
        "line 3: invalid UTF-8 (byte 0xeb): save the file as UTF-8"
    )


def test_an_object_of_any_depth_is_ignored_or_refused(tmp_path: Path) -> None:
    for depth in range(700, 1000, 5):
        file = written(tmp_path, b'{"Threading":' * depth + b"1" + b"}" * depth)
        with suppress(SettingsError):
            assert read_original_settings(file) == Settings()
            assert remarks(file) == ["Threading.Threading.Threading: unknown key, ignored (line 1)"]


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert complaint(tmp_path / "server.json") == "No such file or directory"
    assert complaint(tmp_path) == "Is a directory"


NAMES = st.sampled_from(["Comment", "Event", "Motion", "Info", "Firmwares", "Flash", "Logging", "File Level"])
TREES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(-5, 70),
    lambda inner: st.dictionaries(NAMES, inner, max_size=4) | st.lists(inner, max_size=2),
    max_leaves=8,
)


@given(st.dictionaries(NAMES, TREES, max_size=4))
def test_any_tree_is_settings_or_refused(tmp_path_factory: pytest.TempPathFactory, tree: dict[str, Any]) -> None:
    file = written(tmp_path_factory.getbasetemp(), tree)
    with suppress(SettingsError):
        assert isinstance(read_original_settings(file), Settings)
        remarks(file)
