"""The report section on the two trainings."""

from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from parkdet.config import Config
from parkdet.report.axes import Axis, linear, unit, whole
from parkdet.report.formatting import duration
from parkdet.report.section import FIGURES, Section
from parkdet.report.sources import STAGES, Epoch, Run
from parkdet.report.svg import Mark, Series, finite, line_chart, nothing


def build(run: Run) -> Section:
    """Curves over the epochs of both trainings, and the settings that were changed."""
    section = Section("training", values={"settings": changed_settings(run.config, run.preset)})
    if not run.trains:
        weights = ", ".join(run.config.infer.weights)
        section.missing.append(f"Nothing was trained: the run used existing weights ({weights}).")
        return section
    epochs = _numbered(run.history)
    if not epochs:
        section.missing.append("No training has finished yet.")
        return section
    for name, draw in (
        ("losses", _losses),
        ("scores", _scores),
        ("learning_rate", _learning_rate),
        ("throughput", _throughput),
    ):
        section.charts[name] = draw(FIGURES[name].title, epochs, _borders(run.history))
    section.values["stages"] = [_stage(STAGES[name], rows) for name, rows in run.history.items()]
    section.missing += [
        f"This training stage has not finished yet: {name}."
        for stage, name in STAGES.items()
        if stage not in run.history
    ]
    return section


def _numbered(history: dict[str, list[Epoch]]) -> list[tuple[int, Epoch]]:
    """The epochs of all trainings in sequence, counted from 1."""
    return list(enumerate((row for rows in history.values() for row in rows), start=1))


def _borders(history: dict[str, list[Epoch]]) -> list[Mark]:
    """A line where one training ends and the next begins."""
    marks, done = [], 0
    for stage, rows in history.items():
        if done:
            marks.append(Mark("x", done + 0.5, STAGES[stage]))
        done += len(rows)
    return marks


def _axis(epochs: list[tuple[int, Epoch]]) -> Axis:
    return whole("epoch", 1, len(epochs))


def _curve(epochs: list[tuple[int, Epoch]], field: str, name: str, style: str) -> Series:
    points = finite([(number, getattr(row, field)) for number, row in epochs])
    return Series(name, points, style, marks=True)


def _losses(title: str, epochs: list[tuple[int, Epoch]], marks: list[Mark]) -> str:
    named = (("box", "s0"), ("obj", "s1"), ("cls", "s2"))
    series = [_curve(epochs, f"{name}_loss", name, style) for name, style in named]
    values = [value for line in series for _, value in line.points]
    return line_chart(title, series, _axis(epochs), linear("loss", values, 0), marks)


def _scores(title: str, epochs: list[tuple[int, Epoch]], marks: list[Mark]) -> str:
    named = (("ap50", "AP50", "s0"), ("ap75", "AP75", "s2"), ("ap", "AP50:95", "s1"))
    series = [_curve(epochs, field, name, style) for field, name, style in named]
    if not series[0].points:
        return nothing(title, "No epoch was validated.")
    return line_chart(title, series, _axis(epochs), unit("average precision"), marks)


def _learning_rate(title: str, epochs: list[tuple[int, Epoch]], marks: list[Mark]) -> str:
    line = _curve(epochs, "lr_decay", "learning rate", "s0")
    axis = linear("learning rate", [value for _, value in line.points], 0)
    return line_chart(title, [line], _axis(epochs), axis, marks)


def _throughput(title: str, epochs: list[tuple[int, Epoch]], marks: list[Mark]) -> str:
    line = _curve(epochs, "images_per_s", "images per second", "s0")
    if not line.points:
        return nothing(title, "The speed was not recorded.")
    axis = linear("images per second", [value for _, value in line.points], 0)
    return line_chart(title, [line], _axis(epochs), axis, marks)


def _stage(name: str, rows: list[Epoch]) -> dict[str, Any]:
    """The table row of one training."""
    seconds = [row.seconds for row in rows if row.seconds]
    validated = [row for row in rows if row.ap is not None]
    best = max(validated, key=lambda row: row.ap, default=None)
    return {
        "name": name,
        "epochs": len(rows),
        "time": duration(sum(seconds)) if seconds else None,
        "per_epoch": duration(sum(seconds) / len(seconds)) if seconds else None,
        "best": best,
        "last": validated[-1] if validated else None,
    }


def changed_settings(config: Config, preset: Config | None) -> list[dict[str, Any]]:
    """The settings that differ from the preset or, without one, from the defaults; by path."""
    rows = _leaves(config, "")
    if preset is not None:
        values = {row["name"]: row["value"] for row in _leaves(preset, "")}
        rows = [{**row, "usual": values[row["name"]]} for row in rows]
    return [row for row in rows if row["value"] != row["usual"]]


def _leaves(model: BaseModel, path: str) -> list[dict[str, Any]]:
    """Each setting with its value and, as ``usual``, its default."""
    rows = []
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            rows += _leaves(value, f"{path}{name}.")
        elif field.default is not PydanticUndefined:  # without a default, nothing can deviate
            rows.append({"name": f"{path}{name}", "value": value, "usual": field.default})
    return rows
