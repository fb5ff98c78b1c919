"""What was made of the same content before, up to a number of bytes."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable

from attrs import define, field


@define
class Kept:
    """Keeps the texts that were asked for last, at most `size` characters in all; not for several threads at once."""

    size: int
    _texts: OrderedDict[bytes, str] = field(factory=OrderedDict, init=False)
    _length: int = field(default=0, init=False)

    def get(self, content: object, make: Callable[[], str]) -> str:
        """Return the text of a content, which its `repr` identifies; make it unless it is kept."""
        key = hashlib.sha256(repr(content).encode()).digest()
        if key in self._texts:
            self._texts.move_to_end(key)
            return self._texts[key]
        text = self._texts[key] = make()
        self._length += len(text)
        while self._length > self.size and self._texts:
            self._length -= len(self._texts.popitem(last=False)[1])
        return text
