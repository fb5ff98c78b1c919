from __future__ import annotations

from sse_twisted.tracks.format import Integrity
from sse_twisted.tracks.whole_files import WholeFileVerifier


def verifier() -> WholeFileVerifier:
    """Of files that are whole up to the last full stop."""
    return WholeFileVerifier(
        lambda data: Integrity(len(data), "text", whole=data[-1:] == b"."), lambda data: data.rfind(b".") + 1
    )


def test_a_file_is_judged_as_a_whole() -> None:
    one = verifier()
    for piece in (b"One. ", memoryview(b"Tw"), bytearray(b"o.")):
        one.feed(piece)
    assert one.finish() == Integrity(9, "text", whole=True)
    assert one.header is None


def test_what_is_whole_grows_with_the_bytes() -> None:
    one = verifier()
    reached = [one.verified_to]
    for piece in (b"One", b". ", b"Two.", b"?"):
        one.feed(piece)
        reached.append(one.verified_to)
    assert reached == [0, 0, 4, 9, 9]
