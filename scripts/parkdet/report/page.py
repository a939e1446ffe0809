"""The page itself: fills the templates with all sections and writes the charts as files."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from parkdet.files import atomic_write
from parkdet.report import data, formatting, gallery, overview, quality, submission, training
from parkdet.report import run as run_itself
from parkdet.report.gallery import script_json
from parkdet.report.palette import variables, without_variables
from parkdet.report.section import FIGURES, Section, caption, expected_figures
from parkdet.report.sources import Run
from parkdet.report.svg import nothing

TEMPLATES = Path(__file__).parent / "templates"


def write_report(run: Run, out: Path, threads: int = 1) -> dict[str, Section]:
    """Writes index.html, figures/*.svg and gallery/ into ``out``.

    Raises:
        UserError: a file of the run is damaged, or ``out`` cannot be written.
    """
    parts = (data, training, quality, submission, run_itself)
    sections = {section.name: section for section in (part.build(run) for part in parts)}
    _write_figures(run, sections, out / "figures")
    sections["gallery"] = gallery.build(run, out, threads)
    with atomic_write(out / "index.html", "w") as file:
        file.write(render(run, sections))
    return sections


def render(run: Run, sections: dict[str, Section]) -> str:
    """The page as text."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {name: getattr(formatting, name) for name in formatting.__all__}
    environment.globals |= {
        "figures": FIGURES,
        "caption": caption,
        "asset": _asset,
        "script_json": _script_json,
    }
    return environment.get_template("page.html").render(
        run=run,
        sections=sections,
        tiles=overview.tiles(run, sections),
        sentence=overview.sentence(run, sections),
        hints=overview.hints(run, sections),
        colours=Markup(variables()),
    )


def _asset(name: str) -> Markup:
    """A template file, unchanged."""
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))


def _script_json(value: Any) -> Markup:
    return Markup(script_json(value))


def _write_figures(run: Run, sections: dict[str, Section], folder: Path) -> None:
    """Writes each chart that a run of this kind has as a self-contained file."""
    style = without_variables((TEMPLATES / "chart.css").read_text(encoding="utf-8"))
    for name in expected_figures(run.trains, run.has_test_set):
        figure = FIGURES[name]
        chart = sections[figure.section].charts.get(name)
        chart = chart or nothing(figure.title, "The run has not reached this step yet.")
        start, end = chart.split(">", 1)
        backdrop = '<rect class="backdrop" width="100%" height="100%"/>'
        with atomic_write(folder / f"{name}.svg", "w") as file:
            file.write(f"{start}><style>{style}</style>{backdrop}{end}\n")
