"""The closing summary of a run: where the submission is, its size, and what it scores."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from parkdet.files import read_json
from parkdet.submission.cut_report import CutReport
from parkdet.submission.validation import Validation


class Scores(msgspec.Struct):
    """The headline figures of a metrics file; None if there is nothing to be found."""

    images: int
    boxes: int
    ap: float | None
    ap50: float | None
    ap75: float | None


class Summary(msgspec.Struct, omit_defaults=True):
    """What is known about a run; None for what it does not have.

    Attributes:
        submission: path as given.
        start: scores, on the test set, of the weights that training started from.
        gain_ap50: test AP50 minus start AP50.
    """

    submission: str | None = None
    cut: CutReport | None = None
    validation: Validation | None = None
    val: Scores | None = None
    test: Scores | None = None
    start: Scores | None = None
    gain_ap50: float | None = None


def summarize(files: Mapping[str, Path | None]) -> Summary:
    """Gathers the summary from the files of a run.

    Args:
        files: submission, cut, validation, val, test, start -> path or None.

    Raises:
        UserError: a file is missing or malformed.
    """
    forms = {"cut": CutReport, "validation": Validation, "val": Scores, "test": Scores}
    forms["start"] = Scores
    found = {name: read_json(files[name], form) for name, form in forms.items() if files.get(name)}
    summary = Summary(submission=_text(files.get("submission")), **found)
    if summary.test and summary.start:
        after, before = summary.test.ap50, summary.start.ap50
        if after is not None and before is not None:
            summary.gain_ap50 = after - before
    return summary


def _text(path: Path | None) -> str | None:
    return path.as_posix() if path else None


def describe(summary: Summary) -> str:
    """The summary as aligned lines for people."""
    rows = [*_submission_rows(summary), *_score_rows(summary)]
    width = max((len(name) for name, _ in rows), default=0)
    lines = [f"  {name:<{width}}  {text}" for name, text in rows]
    rule = "-" * max((len(line) for line in lines), default=0)
    return "\n".join([rule, *lines, rule])


def _submission_rows(summary: Summary) -> list[tuple[str, str]]:
    rows = []
    if summary.submission:
        rows.append(("submission", summary.submission))
    if summary.cut:
        cut, counts = summary.cut, summary.cut.detections
        rows.append(("size", f"{cut.bytes:,} bytes (limit {cut.max_bytes:,})"))
        reached = "" if cut.threshold is None else f", score >= {cut.threshold:g}"
        rows.append(("detections", f"{counts.kept:,} of {counts.total:,} kept{reached}"))
    if summary.validation:
        rows.append(("valid", f"yes, {len(summary.validation.checks)} checks passed"))
    return rows


def _score_rows(summary: Summary) -> list[tuple[str, str]]:
    rows = []
    for name, scores in (("val", summary.val), ("test", summary.test)):
        if scores:
            figures = f"AP {_figure(scores.ap)}  AP50 {_figure(scores.ap50)}"
            figures += f"  AP75 {_figure(scores.ap75)}"
            rows.append((name, f"{figures}  ({scores.images:,} images, {scores.boxes:,} boxes)"))
    if summary.start:
        text = f"AP50 {_figure(summary.start.ap50)} on the test set before training"
        if summary.gain_ap50 is not None:
            text += f", gained {summary.gain_ap50:+.3f}"
        rows.append(("start", text))
    return rows


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
