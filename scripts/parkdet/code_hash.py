"""A hash of what a script does: of its parsed code and that of the project's modules it uses."""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any

BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")  # fields that hold statements
WITHOUT_EFFECT = frozenset({"ctx", "kind", "type_comment", "type_ignores"})  # fields of nodes


def code_hash(script: Path) -> str:
    """16 hexadecimal digits that change with the code of ``script`` and of the parkdet modules it
    imports, directly or indirectly, with their packages; but not with comments, docstrings,
    formatting or the version of Python.

    Imports are read from the text, so nothing is executed or loaded.
    """
    library = script.parent
    seen: set[Path] = set()
    pending = [script]
    while pending:
        path = pending.pop()
        if path not in seen:
            seen.add(path)
            pending += _imported_files(path, library)
    digest = hashlib.sha256()
    for path in sorted(seen):
        digest.update(f"{path.relative_to(library)}\n{_normalised(path)}\n".encode())
    return digest.hexdigest()[:16]


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _normalised(path: Path) -> str:
    """The syntax tree as text, without docstrings, positions and comments.

    ast.dump would do, but its output for the same code differs between versions of Python.
    """
    return _text(_parsed(path))


def _text(value: Any) -> str:
    """The text of a node with its non-empty fields, of a list of nodes, or of a plain value."""
    if isinstance(value, list):
        return f"[{','.join(map(_text, value))}]"
    if not isinstance(value, ast.AST):
        return ascii(value)  # repr would follow the version's table of printable characters
    parts = []
    for name in _fields(type(value)):
        content = getattr(value, name, None)
        if name == "body" and isinstance(content, list) and content and _is_string(content[0]):
            content = content[1:]
        if isinstance(value, ast.JoinedStr):
            content = _joined(content)
        if content is not None and content != []:  # newer versions have more fields, often empty
            parts.append(f"{name}={_text(content)}")
    return f"{type(value).__name__}({','.join(parts)})"


@cache
def _fields(kind: type[ast.AST]) -> list[str]:
    return sorted(set(kind._fields) - WITHOUT_EFFECT)


def _joined(parts: list[ast.expr]) -> list[ast.expr]:
    """An f-string's parts, adjacent texts joined: versions of Python split them differently."""
    joined: list[ast.expr] = []
    for is_text, run in groupby(parts, key=lambda part: isinstance(part, ast.Constant)):
        if is_text:
            text = "".join(part.value for part in run)
            joined += [ast.Constant(text)] if text else []
        else:
            joined += run
    return joined


def _is_string(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _imported_files(path: Path, library: Path) -> Iterator[Path]:
    for name in _imported_names(path):
        base = library / name.replace(".", "/")
        packages = [library / parent / "__init__.py" for parent in _with_parents(name)]
        for candidate in (base.with_suffix(".py"), *packages):
            if candidate.is_file():
                yield candidate


def _with_parents(name: str) -> Iterator[str]:
    """``a.b.c`` -> a, a/b, a/b/c: importing a module runs the packages that contain it."""
    return accumulate(name.split("."), "{}/{}".format)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """All statements below a node; ast.walk would also visit expressions, ten times as many."""
    for name in BLOCKS:
        for child in getattr(node, name, ()):
            yield child
            yield from _statements(child)


def _imported_names(path: Path) -> Iterator[str]:
    """Dotted names of parkdet modules that a file imports."""
    for node in _statements(_parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            # `from parkdet.data import links` may name a module or a member of one
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "parkdet":
                yield name
