"""Lines of the console: commands as typed in a shell, and commands that do not exist."""

from __future__ import annotations

import builtins
import difflib
import shlex
import warnings
from collections.abc import Mapping
from keyword import iskeyword

from sse_twisted.console.namespace import Command
from sse_twisted.runtime.text import one_line

LEAVING = ("exit", "quit")  # run without brackets too


def as_python(line: str, names: Mapping[str, object], *, bare_commands: bool = False) -> str:
    """Return `why 602` as `why(602)`, and any Python as it is.

    Of a line that is not Python and begins with an unknown name, return the name, whose evaluation says so.
    `bare_commands`: a command without brackets is run as well; otherwise it shows its usage.
    """
    word, _, rest = line.strip().partition(" ")
    is_command = isinstance(names.get(word), Command)
    if is_command and not rest and (bare_commands or word in LEAVING):
        return f"{word}()"
    if not word.isidentifier() or not rest or _is_python(line):
        return line
    if not is_command:
        is_known = word in names or hasattr(builtins, word) or iskeyword(word)
        return line if is_known else word
    try:
        return f"{word}({', '.join(map(repr, shlex.split(rest)))})"
    except ValueError:  # unbalanced quotes
        return line


def unknown_command(name: str, names: Mapping[str, object]) -> str:
    """Return what to say of a name that does not exist."""
    similar = difflib.get_close_matches(name, [each for each in names if not each.startswith("_")], 1)
    hint = f"did you mean {similar[0]}?" if similar else "help lists all commands"
    return f"unknown command {one_line(name, 40)}; {hint}"


def _is_python(line: str) -> bool:
    """Return whether a line compiles, or is the beginning of several lines that may."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(line, "<console>", "single")
    except SyntaxError:
        return line.rstrip().endswith((":", "\\", "(", "[", "{", ","))
    except (ValueError, MemoryError, RecursionError, OverflowError):
        return True
    return True
