from __future__ import annotations

import unicodedata

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from sse_twisted.config.file_id import MAX_BYTES, folded, parse_file_id, remark_on
from sse_twisted.event_folder.track_name import TrackName

WINDOWS_FORBIDS = set('<>:"/\\|?*')


@pytest.mark.parametrize(
    "text",
    [
        "HOX122UEA",
        "BUOY_621",
        "DE 101XYZ",
        "_x_",
        "-5-",
        "É.V.1",
        "Zoë",
        "Иван 7",
        "देवनागरी",
        "٣٤",
        "CON",
        "nul",
        "CON_1.x",
        "CONX.1",
        "x" * MAX_BYTES,
    ],
)
def test_what_is_safe_in_a_file_name_is_a_file_id(text: str) -> None:
    assert parse_file_id(text) == text


@pytest.mark.parametrize("text", ["", ".x", "x.", "..", " x", "x ", "\u0301x"])
def test_neither_end_is_a_dot_or_a_blank(text: str) -> None:
    with pytest.raises(ValueError, match=r"^invalid File ID .*(empty|must begin)"):
        parse_file_id(text)


@pytest.mark.parametrize("character", '/\\:*?"<>|\0\n\t+%~\u200b\u202e²½😀')
def test_another_character_is_named(character: str) -> None:
    with pytest.raises(ValueError, match="is not allowed; use letters") as caught:
        parse_file_id(f"A{character}B")
    assert repr(character) in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("text", ["CON.1", "con .x", "Nul.x.y", "com1.x", "LPT9.", "aux.b"])
def test_what_windows_takes_for_a_device_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"invalid File ID"):
        parse_file_id(text)


def test_its_length_is_that_of_its_bytes() -> None:
    with pytest.raises(ValueError, match="it has 82 bytes, and at most 80 are allowed"):
        parse_file_id("é" * 41)


def test_one_text_has_one_spelling_however_it_is_composed() -> None:
    assert parse_file_id("Zoe\u0308") == parse_file_id("Zo\u00eb") == "Zo\u00eb"
    assert parse_file_id("DE\u00a0101") == "DE 101"


def test_a_file_system_without_case_takes_some_for_the_same() -> None:
    assert folded("Straße") == folded("STRASSE")
    assert folded("ZOE\u0308") == folded("zo\u00eb")
    assert folded("HOX 1") != folded("HOX_1")


@pytest.mark.parametrize(("file_id", "before"), [("BUOY_621", "BUOY"), ("_1", ""), ("a_b_c", "a")])
def test_the_results_software_reads_it_up_to_its_underscore(file_id: str, before: str) -> None:
    remark = f"File ID {file_id!r} has an underscore: the results software reads only {before!r} of it"
    assert remark_on(file_id) == remark
    assert not remark_on(file_id.replace("_", "-"))


FILE_IDS = st.text(st.characters(categories=("L", "M", "Nd", "Zs")) | st.sampled_from(" _-.0679"), max_size=40)


@given(FILE_IDS, st.integers(1, 999_999), st.sampled_from(["20221018_113632", f"undated_{2**62}"]), st.integers(1, 12))
@example("X_601_20221018_113632", 601, "20221018_113632", 2)
@example("motion-601_undated", 601, "undated_5", 1)
@example("motion-601", 601, "20221018_113632", 1)
def test_a_track_is_read_back_from_its_name(text: str, identifier: int, stamp: str, number: int) -> None:
    try:
        file_id = parse_file_id(text)
    except ValueError:
        assume(False)
    name = TrackName(f"{file_id}_{identifier}", stamp, number)
    assert TrackName.parse(str(name)) == name
    assert not name.is_unassigned
    assert len(str(name).encode()) < 143 - len(".1234567890.part")
    assert str(name) == unicodedata.normalize("NFC", str(name))
    assert not WINDOWS_FORBIDS & set(str(name))
    assert str(name).split(".")[0].upper() not in {"CON", "NUL"}
