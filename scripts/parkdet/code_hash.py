"""A hash of what a script does: of its parsed code and of that of the project's modules it uses."""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path


def code_hash(script: Path) -> str:
    """16 hexadecimal digits that change with the code of ``script`` and of the parkdet modules
    it imports, however deep, but not with comments, docstrings or formatting.

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
    """The syntax tree as text, without docstrings, positions and comments."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_string(body[0]):
            node.body = body[1:]
    return ast.dump(tree)


def _is_string(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _imported_files(path: Path, library: Path) -> Iterator[Path]:
    for name in _imported_names(path):
        base = library / name.replace(".", "/")
        for candidate in (base.with_suffix(".py"), base / "__init__.py"):
            if candidate.is_file():
                yield candidate


def _imported_names(path: Path) -> Iterator[str]:
    """Dotted names of parkdet modules that a file imports, packages on the way included."""
    for node in ast.walk(_parsed(path)):
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
