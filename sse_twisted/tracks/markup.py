"""Text from a file or from people as text of an XML document."""

from __future__ import annotations

import re
from typing import Final
from xml.sax.saxutils import escape

# What XML 1.0 can't hold, not even as a character reference.
_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(text: str) -> str:
    """Escape text for an element, or an attribute in double quotes; what XML can't hold becomes U+FFFD."""
    return escape(_FORBIDDEN.sub("\ufffd", text), {'"': "&quot;"})
