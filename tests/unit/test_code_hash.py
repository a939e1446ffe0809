"""The hash follows what code does, not how it looks."""

import pytest

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
    from parkdet import code_hash as module

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
