from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sse_twisted.devices.answer_json import MAX_ENTRIES, _without_duplicates, parse_json
from sse_twisted.devices.driver import ListedTrack, Listing
from sse_twisted.devices.errors import BadAnswer
from sse_twisted.devices.motion.messages import (
    MotionInfo,
    MotionSettings,
    info_of,
    listing_of,
    settings_of,
)
from sse_twisted.runtime.text import json_bytes
from sse_twisted.simulator.listings import EVIL_PATHS

MOTION: dict[str, Any] = {
    "wifi": "station",
    "username": "WSW",
    "identifier": 601,
    "hardware": {"code": 105, "name": "Wireless Mini M10"},
    "firmware": {"code": 9008, "name": "9008 Weymouth SW (3232)", "special": "This firmware is event specific."},
    "filesystem": {"level": 0},
    "battery": {"level": 83, "charging": False},
    "units": {"speed": "kn", "distance": "km"},
}
SETTINGS: dict[str, Any] = {
    "hardware": {"code": 106, "name": "Wireless Mini M10"},
    "username": "",
    "gnss_rate": "5",
    "one_log_per_day": "0",
    "timezone": "60",
    "wifi": [{"login": "WSW", "password_length": "8", "trust": "1"}],
    "custom_led": {"flash": "1", "substract": "0", "rows": [{"code": "34"}]},
}
ENTRY: dict[str, Any] = {
    "file": "/logs/2025/10/0601_2025-10-12-1213.oao",
    "size": 895_988,
    "timezone": 60,
    "mode": 0,
    "start_date": 1_665_583_384_000,
    "end_date": 1_665_598_742_000,
    "duration": 15_358_000,
    "distance": 5_587_704,
    "2s_best": 22_632,
    "10s_best": 22_348,
    "500m_best": 21_941,
    "1852m_best": 0,
    "spot": "",
}
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*ENTRY, *MOTION]), inner, max_size=4),
    max_leaves=10,
)


def info(**changes: object) -> MotionInfo:
    return info_of({"motion": MOTION | changes})


def settings(**changes: object) -> MotionSettings:
    return settings_of({"settings": SETTINGS | changes})


def listing(*entries: object) -> Listing:
    return listing_of(parse_json(json.dumps({"logs": entries}).encode(), "logs.json"))


def log(**changes: object) -> ListedTrack:
    (entry,) = listing(ENTRY | changes).entries
    return entry


def complaint(data: bytes) -> str:
    with pytest.raises(BadAnswer) as caught:
        parse_json(data, "info.json")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200
    return str(caught.value)


class TestInfo:
    def test_says_who_it_is(self) -> None:
        assert info() == MotionInfo(601, firmware_name="9008 Weymouth SW (3232)", storage=0, battery=83)

    def test_of_old_firmware(self) -> None:
        assert info(hardware="wireless-mini", firmware=3129).firmware_name == "3129"

    def test_needs_no_more_than_a_number(self) -> None:
        assert info_of({"motion": {"identifier": 999_999}}) == MotionInfo(999_999)

    @pytest.mark.parametrize("identifier", [601.0, "601", "0601", " 601\t", "601.0", "601.", "+601"])
    def test_may_write_its_number_otherwise(self, identifier: object) -> None:
        assert info(identifier=identifier).identifier == 601

    @pytest.mark.parametrize("identifier", [0, -1, 1_000_000, 2**70, 601.5, 1e300, None, True, [601], {}])
    def test_without_a_number_is_none(self, identifier: object) -> None:
        with pytest.raises(BadAnswer, match=r"info\.json: identifier: Expected `int`"):
            info(identifier=identifier)

    @pytest.mark.parametrize(
        "identifier", ["", "motion-601", "601.5", "6 01", "-601", "0", "9" * 19, "6\N{BENGALI DIGIT ONE}1", "601\0"]
    )
    def test_whose_number_is_another_text_is_none(self, identifier: str) -> None:
        with pytest.raises(BadAnswer, match=r"info\.json: identifier: Expected `int`"):
            info(identifier=identifier)

    def test_may_write_its_percents_otherwise(self) -> None:
        found = info(battery={"level": "83.0"}, filesystem={"level": 7.0})
        assert (found.battery, found.storage) == (83, 7)

    @pytest.mark.parametrize("tree", [None, [], {}, 5, "x", {"motion": None}, {"motion": []}, {"motion": {}}])
    def test_of_another_shape_is_none(self, tree: object) -> None:
        with pytest.raises(BadAnswer, match=r"^info\.json(: identifier| has no 'motion')"):
            info_of(tree)

    @pytest.mark.parametrize(
        ("key", "odd"),
        [
            ("battery", [{"level": -1}, {"level": 83.5}, {"level": "83"}, {"level": None}, {}, 83, None]),
            ("filesystem", [{"level": 1001}, {"level": True}, [], "0"]),
            ("firmware", [{"code": 9009}, {"code": "9009", "name": "9009 Weymouth"}, "9009 Weymouth", 9009.5]),
            ("firmware", [{"code": 9009, "name": "x" * 201}, {"code": 2**70, "name": "x"}, []]),
            ("hardware", [{"code": None, "name": 5}, 105, "x" * 201]),
        ],
    )
    def test_with_odd_ornaments_is_still_listed(self, key: str, odd: list[object]) -> None:
        """A battery that says -1 must not cost its sailor the day's tracks."""
        assert {info(**{key: value}).identifier for value in odd} == {601}

    def test_can_not_write_a_line_of_the_log(self) -> None:
        name = "x\n2025-10-12 10:00:00,INFO,motion-601 can be disconnected\r\x1b[2J\u202e\u2028" + "y" * 200
        for firmware in (name, {"code": 1, "name": name}, {"name": {name: [name]}}, [name]):
            odd = str(info(firmware=firmware).firmware_name)
            assert odd.isprintable()
            assert len(odd) <= 120


class TestSettings:
    def test_are_numbers_in_strings(self) -> None:
        assert settings() == MotionSettings(5, 0, 60, 1)

    def test_may_be_numbers_one_day(self) -> None:
        assert settings(gnss_rate=10, timezone=-60, custom_led={"flash": 0}) == MotionSettings(10, 0, -60, 0)

    def test_may_be_written_otherwise(self) -> None:
        found = settings(gnss_rate=5.0, one_log_per_day="00", timezone="60.0", custom_led={"flash": " 1"})
        assert found == MotionSettings(5, 0, 60, 1)

    def test_of_the_model_with_a_display_have_no_led(self) -> None:
        without = {key: value for key, value in SETTINGS.items() if key != "custom_led"}
        assert settings_of({"settings": without}).flash is None
        assert settings_of({"settings": {}}) == MotionSettings()

    @pytest.mark.parametrize("tree", [None, [], {}, {"settings": None}, {"settings": []}, {"settings": 5}])
    def test_of_another_shape_are_none(self, tree: object) -> None:
        with pytest.raises(BadAnswer, match=r"^settings\.json has no 'settings'"):
            settings_of(tree)

    @pytest.mark.parametrize("key", ["gnss_rate", "one_log_per_day", "custom_led"])
    def test_that_are_odd_do_not_hide_the_time_zone(self, key: str) -> None:
        """The day and the name of every track hang on it."""
        odds: tuple[object, ...] = ("", "five", "5,0", 5.5, [], True, "9" * 40)
        for odd in odds:
            assert settings(**{key: odd}).timezone == 60

    @pytest.mark.parametrize("odd", ["", "UTC", "841", "-841", 1e300, None, [60]])
    def test_a_time_zone_that_is_none_is_unknown(self, odd: object) -> None:
        try:
            assert settings(timezone=odd).timezone is None
        except BadAnswer as error:
            assert "timezone" in str(error)  # noqa: PT017 - either will do


class TestAListing:
    def test_has_the_logs_in_order(self) -> None:
        found = listing(ENTRY, ENTRY | {"file": "/logs/b.oao"})
        assert [entry.file for entry in found.entries] == [ENTRY["file"], "/logs/b.oao"]
        assert found.bad == ()

    def test_of_nothing_is_empty(self) -> None:
        assert listing() == Listing()

    def test_entry_has_its_figures(self) -> None:
        entry = log()
        assert (entry.size, entry.length) == (895_988, 894_964)
        assert [entry.claim(name) for name in ("2s", "10s", "500m")] == [22_632, 22_348, 21_941]
        assert (entry.timezone, entry.duration, entry.distance) == (60, 15_358_000, 5_587_704)

    def test_entry_needs_no_more_than_a_path_a_size_and_a_date(self) -> None:
        (entry,) = listing({key: ENTRY[key] for key in ("file", "size", "start_date")}).entries
        assert (entry.end_date, entry.claim("500m"), entry.timezone) == (0, None, None)

    def test_entry_may_write_its_numbers_otherwise(self) -> None:
        numbers = {key: value for key, value in ENTRY.items() if type(value) is int}
        for spelled in (str, float, lambda number: f"{number}.0", lambda number: f"0{number}"):
            assert log(**{key: spelled(value) for key, value in numbers.items()}) == log()

    def test_entry_that_comes_twice_counts_once(self) -> None:
        assert len(listing(ENTRY, ENTRY, ENTRY | {"spot": "elsewhere"}, ENTRY | {"size": 1536}).entries) == 2

    @pytest.mark.parametrize("odd", [None, 5, "x", [], {}, {"file": "/logs/a.oao"}, [ENTRY]])
    def test_entry_without_meaning_costs_itself_only(self, odd: object) -> None:
        found = listing(ENTRY, odd, ENTRY | {"file": "/logs/b.oao"})
        assert len(found.entries) == 2
        (bad,) = found.bad
        assert bad.index == 1
        assert bad.why

    @pytest.mark.parametrize("key", ["file", "size", "start_date"])
    @pytest.mark.parametrize("odd", [None, [], {}, True, 1.5, 2**70])
    def test_entry_of_the_wrong_types_costs_itself_only(self, key: str, odd: object) -> None:
        found = listing(ENTRY | {key: odd}, ENTRY)
        assert len(found.entries) == len(found.bad) == 1
        assert found.bad[0].index == 0

    def test_entry_that_can_not_be_understood_can_not_write_a_line_of_the_log(self) -> None:
        (bad,) = listing(ENTRY | {"file": "a\n2025-10-12 10:00:00,INFO,b" + "\x1b" * 300, "size": "x\ny"}).bad
        assert bad.file.isprintable()
        assert bad.why.isprintable()
        assert len(bad.file) <= 120

    @pytest.mark.parametrize("tree", [None, [], {}, 5, {"logs": None}, {"logs": {}}, {"log": []}, [{"logs": []}]])
    def test_of_another_shape_is_none(self, tree: object) -> None:
        with pytest.raises(BadAnswer, match=r"^logs\.json has no list of logs$"):
            listing_of(tree)

    def test_has_a_limit(self) -> None:
        few = {key: ENTRY[key] for key in ("size", "start_date", "end_date")}
        many = [few | {"file": f"/logs/{number}.oao"} for number in range(MAX_ENTRIES + 1)]
        assert len(listing(*many[1:]).entries) == MAX_ENTRIES
        with pytest.raises(BadAnswer, match=r"more than 20,000 entries"):
            listing(*many)

    def test_second_list_of_logs_does_not_hide_the_first(self) -> None:
        text = json.dumps({"logs": [ENTRY]}).encode()
        assert complaint(text[:-1] + b', "logs": []}') == "info.json is not valid JSON: duplicate key 'logs'"

    @pytest.mark.parametrize(
        ("changes", "plausible"),
        [
            ({"size": 1536}, True),
            ({"size": 1588}, True),
            ({"size": 1535}, False),
            ({"size": 1537}, False),
            ({"size": 0}, False),
            ({"size": -1536}, False),
            ({"size": 1536 + 52 * 25 * 15_359}, True),
            ({"size": 1536 + 52 * (25 * 15_359 + 1)}, False),
            ({"end_date": 0}, False),
            ({"end_date": ENTRY["start_date"] - 1}, False),
            ({"end_date": ENTRY["start_date"], "size": 1588}, True),
        ],
    )
    def test_entry_is_plausible_as_that_of_a_finalised_log(self, changes: dict[str, int], plausible: bool) -> None:
        assert log(**({"size": 1588} | changes)).is_plausible is plausible


class TestAPath:
    @pytest.mark.parametrize(
        "path", ["/logs/2025/10/0601_2025-10-12-1213.oao", "/a", "/a b.oao", "/..a/b..oao", "/a%2e"]
    )
    def test_of_the_device_can_be_asked_for(self, path: str) -> None:
        assert log(file=path).path_problem == ""

    @pytest.mark.parametrize(
        "path", ["", "/", "a", "//host/a", "http://host/a", "/a/../b", "/..", "/a\\b", "/a/", "/a\n"]
    )
    def test_that_leads_elsewhere_can_not(self, path: str) -> None:
        assert log(file=path).path_problem

    @pytest.mark.parametrize(
        "path", ["/a\0", "/\x7f", "/\u202ea", "/\u2028", "/\ud800", "/" + "a" * 255, "/a\r\nHost: b"]
    )
    def test_with_characters_of_no_path_can_not(self, path: str) -> None:
        assert ListedTrack(path, 1536, 0, 512).path_problem == "invalid path"

    @given(st.text(max_size=30) | st.sampled_from(EVIL_PATHS))
    @example("/@host/")
    @example("/?/../#")
    def test_of_any_kind_stays_on_the_device(self, path: str) -> None:
        entry = ListedTrack(path, 1536, 0, 512)
        assert entry.path_problem.isprintable()
        if not entry.path_problem:
            url = urlsplit(f"http://10.0.0.1:80{quote(path, safe='/')}")
            assert (url.hostname, url.port, url.query, url.fragment) == ("10.0.0.1", 80, "", "")
            assert ".." not in url.path.split("/")


CUT = json.dumps({"logs": [ENTRY, ENTRY | {"file": "/logs/b.oao"}]}).encode()


class TestJson:
    @pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf", b"\0\0", b"\r\n \t"])
    @pytest.mark.parametrize(
        "rest", [b"", b"\0", b"\0" * 500, b"\r\n\0", b"]}", b"junk", b'oao", "size": 1536}]}', b"\xff\xfe", b"</html>"]
    )
    def test_is_read_whatever_stands_around_it(self, mark: bytes, rest: bytes) -> None:
        assert parse_json(mark + CUT + rest, "logs.json") == json.loads(CUT)

    @pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
    def test_may_be_utf16_if_it_says_so(self, encoding: str) -> None:
        assert parse_json(("\ufeff" + CUT.decode()).encode(encoding), "logs.json") == json.loads(CUT)

    @pytest.mark.parametrize("rest", [b'{"logs": []}', b' , {"file": "/logs/c.oao"}]}', b"\0[", b"\n{"])
    def test_that_begins_a_second_time_is_refused(self, rest: bytes) -> None:
        assert complaint(CUT + rest) == "info.json is not valid JSON: another value follows the first one"

    @pytest.mark.parametrize("spoil", [b'{"logs": [1, 2,]}', b'{"logs": [],}', b"{'logs': []}", b'{"logs": [] // x\n}'])
    def test_is_not_guessed(self, spoil: bytes) -> None:
        assert complaint(spoil).startswith("info.json is not valid JSON: ")

    @given(st.integers(0, len(CUT) - 1), st.sampled_from([b"", b"\0" * 40, b"]", b"}", b"\xff" * 9, b"junk", CUT]))
    def test_that_is_cut_is_never_a_shorter_listing(self, at: int, rest: bytes) -> None:
        with suppress(BadAnswer):
            found = listing_of(parse_json(CUT[:at] + rest, "logs.json"))
            assert len(found.entries) + len(found.bad) >= 2
            assert found.bad or found == listing_of(json.loads(CUT))

    @pytest.mark.parametrize(
        ("data", "why"),
        [
            (b"", "info.json is not valid JSON: "),
            (b'{"motion": {"identifier": 601', "info.json is not valid JSON: "),
            (b"<html><body>404</body></html>", "info.json is a web page, not JSON"),
            (b"\xff\xfe\x00", "info.json is not valid JSON: "),
            (b"{}{}", "info.json is not valid JSON: "),
            (b"[NaN]", "info.json is not valid JSON: NaN is not a JSON number"),
            (b"[-Infinity]", "info.json is not valid JSON: -Infinity is not a JSON number"),
            (b"[" + b"9" * 5000 + b"]", "info.json is not valid JSON: "),
            (b'{"a": 1, "a": 2}', "info.json is not valid JSON: duplicate key 'a'"),
            (b'{"a\\n": 1, "a\\n": 2}', "info.json is not valid JSON: duplicate key 'a\\\\x0a'"),
            (b'{"' + b"a" * 500 + b'": 1, "' + b"a" * 500 + b'": 1}', "info.json is not valid JSON: duplicate key 'a"),
            (b"[" * 100_000, "info.json is nested too deeply"),
            (b'{"a":' * 100_000, "info.json is nested too deeply"),
            (b"[" * 100_000 + b"]" * 100_000, "info.json is nested too deeply"),
        ],
    )
    def test_that_is_none_says_why(self, data: bytes, why: str) -> None:
        assert complaint(data).startswith(why)

    def test_numbers_out_of_any_range_are_none(self) -> None:
        """Python would read it as infinite, and write it to the event folder as what no other JSON reader takes."""
        assert "1e400" in complaint(b'{"motion": {"x": 1e400}}')

    def test_names_that_are_no_utf8_do_not_hide_the_logs(self) -> None:
        data = json.dumps({"logs": [ENTRY | {"spot": "?"}]}).encode().replace(b'"?"', b'"Zo\xeb \x80"')
        assert len(listing_of(parse_json(data, "logs.json")).entries) == 1

    def test_control_characters_in_strings_do_not_hide_the_logs(self) -> None:
        data = json.dumps({"logs": [ENTRY | {"spot": "?"}]}).encode().replace(b'"?"', b'"a\nb\tc\0\x1b"')
        assert len(listing_of(parse_json(data, "logs.json")).entries) == 1

    def test_has_a_limit_of_depth_whatever_python_bears(self) -> None:
        """What is read is written to the event folder again, by a writer that bears less than the reader."""
        for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
            complaint(opening * 500 + b"1" + closing * 500)
            assert parse_json(opening * 10 + b"1" + closing * 10, "info.json")

    def test_with_many_keys_is_not_compared_key_by_key(self) -> None:
        """8 MB of keys, the last one twice, would keep a thread busy for hours."""
        compared = 0

        class Key(str):
            __slots__ = ()
            __hash__ = str.__hash__

            def __eq__(self, other: object) -> bool:
                nonlocal compared
                compared += 1
                return str.__eq__(self, other)

        keys = [Key(number) for number in [*range(1000), 999]]
        with pytest.raises(ValueError, match="duplicate key '999'"):
            _without_duplicates([(key, None) for key in keys])
        assert compared < 10_000

    @given(st.binary(max_size=200))
    @example(b"\xef\xbb\xbf{}")
    def test_of_any_bytes_is_read_or_refused(self, data: bytes) -> None:
        with suppress(BadAnswer):
            assert json_bytes(parse_json(data, "info.json")), "it can be stored"

    @given(JSON)
    def test_of_any_shape_is_understood_or_refused(self, tree: Any) -> None:
        for understand in (info_of, settings_of, listing_of):
            for shape in (tree, {"motion": tree, "settings": tree, "logs": tree}, {"logs": [tree]}):
                with suppress(BadAnswer):
                    assert isinstance(understand(shape), MotionInfo | MotionSettings | Listing)


def test_every_answer_of_real_devices_is_understood(captures: Path) -> None:
    folders = sorted((captures / "event-2022" / "motions").iterdir())
    logs = 0
    for folder in folders:
        trees = {name: parse_json((folder / name).read_bytes(), name) for name in ("info.json", "settings.json")}
        assert info_of(trees["info.json"]).identifier == int(folder.name.removeprefix("motion-"))
        assert info_of(trees["info.json"]).firmware_name == "9002 Weymouth Speed Week"
        assert settings_of(trees["settings.json"]).timezone == 60
        found = listing_of(parse_json((folder / "logs.json").read_bytes(), "logs.json"))
        assert found.bad == ()
        assert not any(entry.path_problem for entry in found.entries)
        assert all(entry.is_plausible for entry in found.entries if entry.end_date)
        logs += len(found.entries)
    assert len(folders) == 23
    assert logs == 422
