"""Every case of docs/reliability.md, through the whole of prepare_dataset.py."""

from pathlib import Path

import pytest

from hostile.accounts import check_accounts, read_issues
from hostile.page import CASES, render
from hostile.runner import is_one_paragraph, run_prepare, tree

PAGE = Path(__file__).parents[4] / "docs/reliability.md"
REFUSED_ON_REQUEST = ("left out", "kept")


@pytest.fixture
def spoiled(source):
    """Makes the data set of a case from a sound one."""

    def make(case):
        case.spoil(source)
        source.save()
        case.after(source.root)
        return source.root, [option.format(root=source.root) for option in case.options]

    return make


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_case_ends_as_the_table_says(case, spoiled, tmp_path, capsys):
    root, options = spoiled(case)
    before, out = tree(root), tmp_path / "out"
    with case.around(root, out):
        found = out.exists(), tree(out)
        done = run_prepare(root, out, options)
        message = capsys.readouterr().err
        assert done.code == (2 if case.outcome == "refused" else 0), message
        assert done.strays == [] and tree(root) == before
        assert "Traceback" not in message
        if case.outcome == "refused":
            assert is_one_paragraph(message) and case.says in message
            assert (out.exists(), tree(out)) == found
        else:
            assert problems(out) == expected_problems(case)
            assert case.outcome != "warned" or case.says in message
            check_accounts(root, out)


REFUSABLE = {name: case for name, case in CASES.items() if case.outcome in REFUSED_ON_REQUEST}


@pytest.mark.parametrize("case", REFUSABLE.values(), ids=REFUSABLE)
def test_what_cannot_be_used_is_refused_on_request(case, spoiled, tmp_path, capsys):
    root, options = spoiled(case)
    before = tree(root)
    done = run_prepare(root, tmp_path / "out", [*options, "--on-bad=fail"])
    message = capsys.readouterr().err
    assert done.code == 2 and case.says in message and is_one_paragraph(message)
    assert done.strays == [] and tree(root) == before and not (tmp_path / "out").exists()


def problems(out):
    return {row.problem for row in read_issues(out)}


def expected_problems(case):
    return {case.says} if case.outcome in ("left out", "kept", "repaired") else set()


def test_the_page_shows_these_cases():
    text = PAGE.read_text(encoding="utf-8")
    assert render(text) == text, "docs/reliability.md is stale: run `make docs`"
