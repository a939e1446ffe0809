"""The hash follows what code does, not how it looks."""

import ast
import hashlib

import pytest

from parkdet import code_hash as module
from parkdet.code_hash import code_hash

SCRIPT = '''"""Docs."""
from parkdet.deep import helper

def main():
    """More docs."""
    return helper(1)
'''


@pytest.fixture
def library(tmp_path):
    (tmp_path / "parkdet/deep").mkdir(parents=True)
    (tmp_path / "parkdet/__init__.py").write_text("")
    (tmp_path / "parkdet/deep/__init__.py").write_text("from parkdet.deep.inner import helper\n")
    (tmp_path / "parkdet/deep/inner.py").write_text("def helper(x):\n    return x + 1\n")
    (tmp_path / "parkdet/other.py").write_text("VALUE = 1\n")
    (tmp_path / "job.py").write_text(SCRIPT)
    return tmp_path


def rewritten(library, file: str, text: str) -> str:
    """The hash after a change, as a new process would see it."""
    module._parsed.cache_clear()
    module._normalised.cache_clear()
    (library / file).write_text(text)
    return code_hash(library / "job.py")


@pytest.mark.parametrize(
    "text",
    [
        SCRIPT.replace("Docs.", "Other docs."),
        SCRIPT.replace("More docs.", "Less."),
        f"# a remark\n{SCRIPT}",
        SCRIPT.replace("helper(1)", "helper( 1 )  # one"),
    ],
)
def test_comments_docstrings_and_blanks_do_not_count(library, text):
    assert rewritten(library, "job.py", text) == rewritten(library, "job.py", SCRIPT)


def test_a_change_of_the_script_counts(library):
    before = code_hash(library / "job.py")
    assert rewritten(library, "job.py", SCRIPT.replace("helper(1)", "helper(2)")) != before


def test_a_change_deep_in_a_module_that_is_used_counts(library):
    before = code_hash(library / "job.py")
    changed = "def helper(x):\n    return x + 2\n"
    assert rewritten(library, "parkdet/deep/inner.py", changed) != before


def test_a_module_that_is_not_used_does_not_count(library):
    before = code_hash(library / "job.py")
    assert rewritten(library, "parkdet/other.py", "VALUE = 2\n") == before


@pytest.mark.parametrize(
    "block",
    [
        "def main():\n    {}",
        "class A:\n    async def f(self):\n        {}",
        "if x:\n    pass\nelif y:\n    {}",
        "for x in y:\n    with z:\n        {}",
        "while x:\n    pass\nelse:\n    {}",
        "try:\n    pass\nexcept OSError:\n    {}",
        "try:\n    {}\nfinally:\n    pass",
        "try:\n    pass\nexcept OSError:\n    pass\nelse:\n    pass\nfinally:\n    {}",
        "match x:\n    case 1:\n        {}",
    ],
)
def test_a_module_that_any_block_imports_counts(library, block):
    before = rewritten(library, "job.py", block.format("from parkdet import other"))
    assert rewritten(library, "parkdet/other.py", "VALUE = 2\n") != before


@pytest.mark.parametrize("package", ["parkdet", "parkdet/outer", "parkdet/outer/middle"])
def test_packages_on_the_way_count_with_what_they_import(library, package):
    (library / "parkdet/outer/middle").mkdir(parents=True)
    (library / "parkdet/outer/__init__.py").write_text("")
    (library / "parkdet/outer/middle/__init__.py").write_text("")
    (library / "parkdet/outer/middle/part.py").write_text("PART = 1\n")
    script = "from parkdet.outer.middle.part import PART\n"
    before = rewritten(library, "job.py", script)
    first = rewritten(library, f"{package}/__init__.py", "import parkdet.other\n")
    assert first != before
    assert rewritten(library, "parkdet/other.py", "VALUE = 2\n") != first


@pytest.mark.parametrize(
    ("text", "other"),
    [("0", "None"), ("''", "b''"), ("False", "0"), ("f(*[])", "f()"), ("f'{x}a'", "f'a{x}'")],
)
def test_values_that_are_empty_in_different_ways_are_told_apart(text, other):
    assert module._text(ast.parse(text)) != module._text(ast.parse(other))


EVERYTHING = '''
@decorated(1, *[], **{})
class A(B, metaclass=C):
    x: int = -1
    def f(self, a, /, b=None, *c, d: str = "", **e) -> None:
        """Docs."""
        return f"{a!r:>{b}} x" "y" f"{c=}" if not b else lambda: (yield 1.5, "\U0001fae0", ...)
async def g():
    async with a as (b, c), d: x[1:, ::2] += {**y, 0: {1}}
    match z:
        case [1, {"k": v, **rest}, P(q=None)] | _: pass
    try: return [i async for i in j if k]
    except (E, F) as h: raise G from h
'''


def test_every_version_of_python_writes_the_same_tree():
    """What Python 3.11 makes of it; the text has no field that only some versions know."""
    text = module._text(ast.parse(EVERYTHING))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "a12ec10f694804a5"


def test_texts_that_a_version_divides_in_an_f_string_are_one():
    whole, divided = (ast.parse("f'ab{x}'") for _ in range(2))
    divided.body[0].value.values[:1] = [ast.Constant(part) for part in ("a", "", "b")]
    assert module._text(divided) == module._text(whole)


def test_an_empty_field_of_a_newer_version_does_not_count(monkeypatch):
    tree, fields = ast.parse("def f(): pass"), module._fields
    before = module._text(tree)
    monkeypatch.setattr(module, "_fields", lambda kind: sorted([*fields(kind), "type_params"]))
    tree.body[0].type_params = []
    assert module._text(tree) == before
