"""The top of the report: what was trained on what, how good it is and what to look at next."""

from typing import Any, NamedTuple

from parkdet.report.formatting import count, duration, figure, percent
from parkdet.report.section import Section
from parkdet.report.sources import Run

WEAK_AP50 = 0.5  # a class below this is listed among the things to look at
RARE_BOXES = 20
NOTABLE_AP = 0.01


class Tile(NamedTuple):
    """A headline figure: its name, its value, what it means, and whether it is good or bad."""

    name: str
    value: str
    note: str
    state: str = ""


def tiles(run: Run, sections: dict[str, Section]) -> list[Tile]:
    """The figures that people look for first."""
    found = []
    for name, scores in sections["quality"].values.get("scores", []):
        if name in ("val", "test"):
            note = f"AP50:95 {figure(scores['ap'])}, AP75 {figure(scores['ap75'])}"
            found.append(Tile(f"AP50 on {name}", figure(scores["ap50"]), note))
    cut = sections["submission"].values.get("cut")
    if cut:
        share = percent(cut["bytes"] / cut["max_bytes"])
        note = f"of {cut['max_bytes']:,} allowed ({share})"
        found.append(Tile("submission, bytes", count(cut["bytes"]), note))
        found.append(_validity(sections["submission"].values["validation"]))
    seconds = [row.seconds or 0 for rows in run.history.values() for row in rows]
    if seconds:
        found.append(Tile("training time", duration(sum(seconds)), f"{len(seconds)} epochs"))
    return found


def _validity(validation: dict[str, Any] | None) -> Tile:
    if validation is None:
        return Tile("submission", "unchecked", "validate_submission has not run")
    if validation["valid"]:
        return Tile("submission", "valid", f"{len(validation['checks'])} checks passed", "good")
    return Tile("submission", "not valid", "see Submission below", "bad")


def sentence(run: Run, sections: dict[str, Section]) -> str:
    """What this run is, in one sentence."""
    summary = sections["data"].values.get("summary")
    if not run.trains:
        what = "Existing weights were used; nothing was trained"
    elif run.history:
        epochs = " + ".join(str(len(rows)) for rows in run.history.values())
        what = f"A detector was trained for {epochs} epochs at {run.config.training.imgsz} px"
    else:
        what = "No training has finished yet"
    if summary is None:
        return f"{what}."
    images, boxes = summary["images"], summary["boxes"]
    prepared = f"{images['train']:,} training images with {boxes['train']:,} boxes in "
    prepared += f"{len(summary['classes'])} classes, {images['val']:,} validation images"
    if "test" in images:
        prepared += f", {images['test']:,} test images"
    return f"{what}. The data: {prepared}."


def hints(run: Run, sections: dict[str, Section]) -> list[tuple[str, str]]:
    """What to look at next, as (report section, sentence)."""
    return [
        *(("data", text) for text in _about_data(sections["data"])),
        *(("training", text) for text in _about_training(run)),
        *(("quality", text) for text in _about_quality(sections["quality"])),
        *(("submission", text) for text in _about_submission(run, sections["submission"])),
    ]


def _about_data(section: Section) -> list[str]:
    summary = section.values.get("summary")
    if summary is None:
        return []
    found = list(summary["warnings"])
    recordings = summary["recordings"]
    sharing = recordings["val_images_sharing_a_recording_with_train"]
    if sharing and summary["split"]["used"] == "random" and recordings["train"] > 1:
        found.append(
            f"{sharing:,} val images share a recording with train, so val scores may be too high."
        )
    if summary["issues"]:
        number = sum(summary["issues"].values())
        found.append(f"{number:,} problems were found in the data; dataset/issues.csv lists them.")
    return found


def _about_training(run: Run) -> list[str]:
    rows = [row for rows in run.history.values() for row in rows]
    scores = [(number, row.ap) for number, row in enumerate(rows, 1) if row.ap is not None]
    if len(scores) < 2:
        return []
    best, last = max(scores, key=lambda score: score[1]), scores[-1]
    if best[1] - last[1] > NOTABLE_AP:
        return [
            f"AP50:95 on val peaked at {best[1]:.3f} after epoch {best[0]} and ended at "
            f"{last[1]:.3f}."
        ]
    if last[1] - scores[-2][1] > NOTABLE_AP:
        return ["AP50:95 on val was still rising at the end: more epochs may help."]
    return []


def _about_quality(section: Section) -> list[str]:
    rows = [row for row in section.values.get("per_class", []) if row["ap50"] is not None]
    found = []
    weak = sorted((row for row in rows if row["ap50"] < WEAK_AP50), key=lambda row: row["ap50"])
    if weak:
        names = ", ".join(f"{row['name']} ({row['ap50']:.2f})" for row in weak[:5])
        found.append(f"Lowest AP50 on val: {names}.")
    analysis = section.values.get("analysis")
    kinds = [kind for kind in analysis["errors"]["kinds"] if kind["gain"]] if analysis else []
    if kinds:
        worst = max(kinds, key=lambda kind: kind["gain"])
        found.append(
            f"Most AP50 is lost to errors of type {worst['kind']}: without them it would be "
            f"{worst['gain']:.3f} higher."
        )
    rare = [row["name"] for row in rows if row["boxes"] < RARE_BOXES]
    if rare:
        found.append(
            f"Figures are rough for classes with fewer than {RARE_BOXES} boxes in val: "
            f"{', '.join(rare)}."
        )
    return found


def _about_submission(run: Run, section: Section) -> list[str]:
    found = []
    cut, cost = section.values.get("cut"), section.values.get("cost")
    if cut is None:
        return found
    gone = [row["category_id"] for row in cut["per_class"] if row["total"] and not row["kept"]]
    if gone:
        names = ", ".join(run.categories.get(category, str(category)) for category in gone)
        found.append(f"The cut left no detection of: {names}.")
    if cost and cost["ap_before"] - cost["ap_after"] > NOTABLE_AP:
        lost = cost["ap_before"] - cost["ap_after"]
        found.append(f"Applied to val, the same cut costs {lost:.3f} AP50:95.")
    return found
