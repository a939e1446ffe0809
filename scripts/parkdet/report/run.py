"""The report section on the run itself: time, memory, versions, config, lineage."""

import math
from typing import Any

import yaml

from parkdet.report.formatting import duration
from parkdet.report.lineage import draw_lineage
from parkdet.report.section import FIGURES, Section
from parkdet.report.sources import Run, read_csv
from parkdet.report.svg import Bar, bar_chart, nothing


def build(run: Run) -> Section:
    """Time and memory of each step, versions, device, config and lineage."""
    section = Section("run")
    times = sorted(_benchmarks(run), key=lambda row: -row["seconds"])
    sidecars = [record for _, record in run.sidecars()]
    if not times:
        section.missing.append("There are no benchmark files.")
    section.charts["rule_times"] = _times_chart(times)
    section.charts["lineage"] = draw_lineage(run, FIGURES["lineage"].title)
    section.values = {
        "times": times,
        "total": duration(sum(row["seconds"] for row in times)),
        "versions": _together(sidecars, "versions"),
        "machine": _together(sidecars, "machine"),
        "revisions": sorted({str(record.get("git_revision") or "unknown") for record in sidecars}),
        "config": yaml.safe_dump(
            run.config.model_dump(mode="json"), allow_unicode=True, sort_keys=False
        ),
    }
    return section


def _benchmarks(run: Run) -> list[dict[str, Any]]:
    """One row per step; Snakemake writes NA where a step was too short to be measured."""
    rows = []
    for path in sorted((run.results / "benchmarks").glob("*.tsv")):
        lines = read_csv(path, delimiter="\t")
        if lines and path.stem != "report":
            seconds = [_number(line.get("s")) or 0.0 for line in lines]
            rows.append(
                {
                    "rule": path.stem,
                    "seconds": sum(seconds),
                    "time": duration(sum(seconds)),
                    # Snakemake samples every few seconds: figures of shorter steps mean little
                    "memory": _number(lines[-1].get("max_rss")) if sum(seconds) >= 5 else None,
                    "load": _number(lines[-1].get("mean_load")) if sum(seconds) >= 5 else None,
                }
            )
    return rows


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "nan")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _times_chart(times: list[dict[str, Any]]) -> str:
    title = FIGURES["rule_times"].title
    if not times:
        return nothing(title, "There are no benchmark files.")
    bars = [Bar(row["rule"], (row["seconds"],), row["time"]) for row in times]
    return bar_chart(title, bars, [("seconds", "s0")])


def _together(sidecars: list[dict[str, Any]], key: str) -> list[tuple[str, str]]:
    """Names and values that the sidecars record; several values where the sidecars differ."""
    found: dict[str, set[str]] = {}
    for record in sidecars:
        for name, value in record.get(key, {}).items():
            if value is None:
                continue  # such as the GPUs of a machine without any
            found.setdefault(name, set()).add(str(value))
    return [(name, ", ".join(sorted(values))) for name, values in found.items()]
