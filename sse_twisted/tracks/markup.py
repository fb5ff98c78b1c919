"""Text of any origin as text of an XML document."""

from __future__ import annotations

import re
from typing import Final
from xml.sax.saxutils import escape

# Characters that XML 1.0 cannot hold, not even as a character reference.
_FORBIDDEN: Final = "[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"


def xml_text(text: str) -> str:
    """Escape text for an element, or an attribute in double quotes; characters that XML cannot hold become U+FFFD."""
    return escape(re.sub(_FORBIDDEN, "\ufffd", text), {'"': "&quot;"})
