from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.tracks.markup import xml_text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_makes_a_whole_document(text: str) -> None:
    escaped = xml_text(text)
    element = ElementTree.fromstring(f'<a b="{escaped}">{escaped}</a>')  # noqa: S314  # it is our own
    assert len(element) == 0
    kept = "".join(c if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff") else "\ufffd" for c in text)
    assert (element.text or "") == kept.replace("\r\n", "\n").replace("\r", "\n")


def test_what_xml_can_t_hold_is_replaced() -> None:
    assert xml_text("a\x00\x1b<\ud800\ufffe>") == "a\ufffd\ufffd&lt;\ufffd\ufffd&gt;"
