"""What the code can say to an operator, as patterns: found in its source, so that no message is overlooked."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from attrs import field, frozen

import sse_twisted

PACKAGE = Path(sse_twisted.__file__).parent
LOGGERS = ("log", "_log", "_loud")
LEVELS = ("info", "warn", "error", "critical", "failure", "emit")
TASK = 3  # arguments of `Tasks.start`: key, coroutine, and what is logged if it fails
SHORTEST_PHRASE = 8  # characters
FINDINGS = (  # their generators yield findings
    *("tracks/analysis.py", "tracks/doubts.py", "tracks/fit/decoding.py", "tracks/gpx.py", "results/service.py"),
)


@frozen
class Message:
    """A format with `{fields}`, and where it is in the source."""

    text: str
    place: str = field(eq=False)

    @property
    def is_only_fields(self) -> bool:
        """Whether all its words come from elsewhere."""
        return not re.search(r"[A-Za-z]{2}", re.sub(r"\{.*?\}", "", self.text))

    def matches(self, line: str) -> bool:
        """Whether an entry of the manual shows this message."""
        pieces = re.split(r"\{.*?\}", self.text)
        return re.fullmatch(".*".join(map(re.escape, pieces)), line) is not None


def log_messages(*more: str) -> set[Message]:
    """The formats of all log calls at info and above outside of the simulator, and of those at `more` levels."""
    return {message for path in _sources() for message in _logged(path, (*LEVELS, *more))}


def finding_messages() -> set[Message]:
    """The findings about a track's content."""
    return {
        Message(_format(node.value), _place(path, node))
        for path in (PACKAGE / name for name in FINDINGS)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Yield) and isinstance(node.value, ast.JoinedStr)
    }


def phrases() -> set[Message]:
    """Whatever is written in the source and may follow the name of a device: some messages are put together."""
    found = set()
    for path in _sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                text = _format(node)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
            else:
                continue
            if len(re.sub(r"\{.*?\}", "", text)) > SHORTEST_PHRASE:
                found.add(Message(f"{{}} {text}{{}}", _place(path, node)))
    return found


def _sources() -> Iterator[Path]:
    return (path for path in PACKAGE.rglob("*.py") if "simulator" not in path.relative_to(PACKAGE).parts)


def _logged(path: Path, levels: tuple[str, ...]) -> Iterator[Message]:
    tree = ast.parse(path.read_text())
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and (argument := _format_argument(call, levels)) is not None:
                yield from (Message(text, _place(path, call)) for text in _texts(argument, function, call.lineno))


def _format_argument(call: ast.Call, levels: tuple[str, ...]) -> ast.expr | None:
    """The argument with the format, if the call logs something."""
    arguments = call.args
    if isinstance(call.func, ast.Name) and call.func.id == "emit":
        return arguments[0]
    if not isinstance(call.func, ast.Attribute):
        return None
    if call.func.attr == "start" and len(arguments) == TASK:
        return arguments[2]
    if call.func.attr not in levels or ast.unparse(call.func.value).rpartition(".")[2] not in LOGGERS:
        return None
    if call.func.attr != "emit":
        return arguments[0]
    return arguments[1] if ast.unparse(arguments[0]) != "LogLevel.debug" or "debug" in levels else None


def _texts(expression: ast.expr, function: ast.AST, line: int) -> list[str]:
    """The formats that an expression can be; a variable has what was assigned to it last before the line."""
    match expression:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.IfExp():
            return [*_texts(expression.body, function, line), *_texts(expression.orelse, function, line)]
        case ast.BinOp(op=ast.Add()):
            left, right = (_texts(side, function, line) for side in (expression.left, expression.right))
            return [one + other for one in left for other in right]
        case ast.Name():
            assigned = [
                node.value
                for node in ast.walk(function)
                if isinstance(node, ast.Assign)
                and node.lineno < line
                and any(isinstance(target, ast.Name) and target.id == expression.id for target in node.targets)
            ]
            return _texts(max(assigned, key=lambda value: value.lineno), function, line) if assigned else []
    return []


def _format(text: ast.JoinedStr) -> str:
    return "".join(str(piece.value) if isinstance(piece, ast.Constant) else "{}" for piece in text.values)


def _place(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}"
