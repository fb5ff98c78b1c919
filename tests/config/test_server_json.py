from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.config.server_json import EVENT, FIRMWARES, KEYS, read_original_settings
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
    "scan.interval: 2.0 -> 7.0",
    "detection.limit: 64 -> 9",
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


@pytest.mark.parametrize(
    ("tree", "key"),
    [
        ({"Evnet": "WSW2022"}, "Evnet"),
        ({"event": "WSW2022"}, "event"),
        ({"Motion": 5}, "Motion"),
        ({"Motion": []}, "Motion"),
        ({"Motion": {"Settings": {"GNSS rate": 5}}}, "Motion.Settings.GNSS rate"),
        ({"Threading": {"DetectionThread": {"Threads": 5}}}, "Threading.DetectionThread.Threads"),
        ({"Filters": {"500m Best": {"knots": 5}}}, "Filters.500m Best.knots"),
    ],
)
def test_an_unknown_key_is_named(tmp_path: Path, tree: object, key: str) -> None:
    assert complaint(written(tmp_path, tree)) == f"{key}: unknown key"


@pytest.mark.parametrize("event", ["", "a/b", "/etc", ".", "..", "../events", 5.0, True, None, ["a"], "a\0b"])
def test_an_event_that_does_not_name_a_folder_is_refused(tmp_path: Path, event: object) -> None:
    assert complaint(written(tmp_path, {"Event": event})).startswith("Event: expected the name of a folder, got ")


def test_an_event_may_be_a_number(tmp_path: Path) -> None:
    settings = read_original_settings(written(tmp_path, {"Event": 2025}))
    assert settings.event.folder == str(tmp_path / "events" / "2025")


def test_the_time_out_of_the_queues_of_the_original_is_ignored(tmp_path: Path) -> None:
    assert read_original_settings(written(tmp_path, {"Queuing": {"Timeout": 1}})) == Settings()
    assert complaint(written(tmp_path, {"Queuing": {"Time": 1}})) == "Queuing.Time: unknown key"


@pytest.mark.parametrize("firmwares", [None, [], ["9002"], "9002", 5])
def test_firmwares_are_an_object(tmp_path: Path, firmwares: object) -> None:
    text = complaint(written(tmp_path, tree_of("Motion.Info.Firmwares", firmwares)))
    assert text == "Motion.Info.Firmwares: expected an object {name: [comments]}"


@pytest.mark.parametrize("torn", [b"", b"{", b"\xff{}", b"{'Event': 1}", b"[" * 100_000])
def test_invalid_json_is_refused(tmp_path: Path, torn: bytes) -> None:
    assert complaint(written(tmp_path, torn)).startswith("invalid JSON: ")


@pytest.mark.parametrize("text", [b"[1]", b'"x"'])
def test_json_that_is_not_an_object_is_refused(tmp_path: Path, text: bytes) -> None:
    assert complaint(written(tmp_path, text)) == "expected a JSON object"


def test_the_line_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    text = '{\n "Comment": "x",\n "Event": "Zoë"\n}\n'
    assert complaint(written(tmp_path, text.encode("cp1252"))) == "invalid JSON: line 3: invalid UTF-8 (byte 0xeb)"


def test_an_object_of_any_depth_is_refused(tmp_path: Path) -> None:
    for depth in range(700, 1000, 5):
        assert complaint(written(tmp_path, b'{"a":' * depth + b"1" + b"}" * depth))


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
