"""The report as a whole: what is in the page and the files, for each kind of run."""

import html
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from made_run import CLASSES, HOSTILE, QUOTED, MadeRun, file_name, make_run
from parkdet.command_line import run
from parkdet.errors import UserError
from parkdet.report.page import write_report
from parkdet.report.section import FIGURES, expected_figures
from report import build_parser, main


class Outline(HTMLParser):
    """Elements with their attributes, and the content of scripts with an id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.data: dict[str, str] = {}
        self._script: str | None = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._script = dict(attributes).get("id") if tag == "script" else None

    def handle_endtag(self, tag):
        self._script = None

    def handle_data(self, data):
        if self._script:
            self.data[self._script] = data


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> MadeRun:
    return make_run(MadeRun(tmp_path_factory.mktemp("made")))


@pytest.fixture(scope="module")
def report(made) -> Path:
    write_report(made.read(), made.results / "report")
    return made.results / "report"


@pytest.fixture(scope="module")
def page(report) -> str:
    return (report / "index.html").read_text(encoding="utf-8")


def copied(made: MadeRun, folder: Path) -> MadeRun:
    """A copy of the run in another folder, free to be changed."""
    shutil.copytree(made.results, folder / "results/made", ignore=shutil.ignore_patterns("report"))
    return MadeRun(folder)


def written(run, folder: Path) -> str:
    write_report(run, folder)
    return (folder / "index.html").read_text(encoding="utf-8")


def test_the_page_names_nothing_outside_itself(page):
    elements = Outline(page).elements
    links = [
        value for _, found in elements for key, value in found.items() if key in ("src", "href")
    ]
    assert links
    assert [link for link in links if not link.startswith(("#", "data:image/webp;base64,"))] == []
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", page)


def test_every_section_and_chart_is_in_the_page(page):
    identifiers = {found.get("id") for _, found in Outline(page).elements}
    parts = {"overview", "data", "training", "quality", "submission", "run", "gallery"}
    assert parts | {f"figure-{name}" for name in FIGURES} <= identifiers


def test_hostile_names_are_rendered_as_text(page, report):
    assert HOSTILE not in page
    assert html.escape(HOSTILE) in page
    assert html.escape(QUOTED) in page
    scripts = [found for tag, found in Outline(page).elements if tag == "script"]
    assert len(scripts) == 4  # two of the page itself, the gallery's index and one pack
    for figure in (report / "figures").glob("*.svg"):
        assert HOSTILE not in figure.read_text(encoding="utf-8")


def test_figures_are_self_contained_files(report):
    files = sorted((report / "figures").iterdir())
    assert {path.stem for path in files} == set(FIGURES)
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert ElementTree.fromstring(text).get("aria-label") == FIGURES[path.stem].title
        assert "var(" not in text


def test_the_same_run_gives_the_same_bytes(made, report, tmp_path):
    write_report(made.read(), tmp_path, threads=3)
    files = [path for path in report.rglob("*") if path.is_file()]
    assert len(files) == len(FIGURES) + 1
    for path in files:
        assert path.read_bytes() == (tmp_path / path.relative_to(report)).read_bytes(), path


def test_the_gallery_knows_every_image_and_its_mistakes(page, made):
    data = Outline(page).data
    index, pack = json.loads(data["gallery-index"]), json.loads(data["pack0"])
    assert index["classes"] == CLASSES
    assert len(index["images"]) == len(pack) == 2 * made.images
    assert {image["name"] for image in index["images"]} >= {file_name("test", 1)}
    for image, picture in zip(index["images"], pack, strict=True):
        rows = [picture["boxes"][at : at + 7] for at in range(0, len(picture["boxes"]), 7)]
        wrong = [row for row in rows if row[1] >= index["confidence"] and row[6] == 0]
        found = picture["truth"][5::6]
        assert len(rows) == made.detections and len(found) == made.objects
        assert image["wrong"] == len(wrong)
        assert image["missed"] == sum(score < index["confidence"] for score in found)
        assert sum(row[6] == 1 for row in rows) == sum(score > 0 for score in found)


def test_the_page_says_what_the_files_say(page, made):
    metrics = json.loads((made.results / "metrics/val.json").read_text())
    cut = json.loads((made.results / "submission/cut.json").read_text())
    assert f"<dd>{metrics['ap50']:.3f}</dd>" in page
    assert f"<dd>{cut['bytes']:,}</dd>" in page
    assert "3 val images share a recording with train" in page
    assert "<code>baseline.<wbr>hyp.<wbr>lr0</code></th><td>0.02</td>" in page
    assert "hyp.<wbr>lrf</code>" not in page


def test_the_analysis_is_shown_if_there_is_one(page, report, made):
    analysis = json.loads((made.results / "metrics/val_analysis.json").read_text())
    worst = max(analysis["errors"]["kinds"], key=lambda kind: kind["gain"])
    assert f"of type {worst['kind']}: without them it would be {worst['gain']:.3f}" in page
    assert [row["name"] for row in analysis["conditions"]["weather"]] == ["clear", "rain"]
    assert "By weather" in page
    assert f">{analysis['conditions']['weather'][1]['ap50']:.3f}<" in page
    assert "By place" not in page  # a single condition has nothing to compare with
    matrix = (report / "figures/confusion.svg").read_text(encoding="utf-8")
    counts = [value for row in analysis["confusion"]["counts"] for value in row if value]
    assert sorted(map(int, re.findall(r'class="count(?: over)?"[^>]*>(\d+)<', matrix))) == sorted(
        counts
    )
    row = analysis["confusion"]["counts"][2]
    told = f"{QUOTED}, predicted as {QUOTED}: {row[2]} ({100 * row[2] / sum(row):.0f} %)"
    assert f"<title>{html.escape(told)}</title>" in matrix


def test_without_an_analysis_its_charts_are_left_out(made, tmp_path):
    older = copied(made, tmp_path)
    (older.results / "metrics/val_analysis.json").unlink()
    page = written(older.read(), tmp_path / "report")
    assert "The errors on val have not been analysed." in page
    assert "figure-confusion" not in page


def test_a_file_made_from_another_version_is_marked(report):
    drawing = (report / "figures/lineage.svg").read_text(encoding="utf-8")
    nodes = re.findall(r'<g><title>(.*?)</title><rect class="(.*?)"', drawing)
    assert dict(nodes) == {
        "Train.json": "node",
        "dataset/val.json": "node",
        "metrics/val.json": "node stale",
    }


def test_without_a_test_set_a_sentence_replaces_the_submission(tmp_path):
    made = make_run(MadeRun(tmp_path, images=2), test_set=False)
    page = written(made.read(test_set=False), tmp_path / "report")
    assert "Without a test set there is no submission." in page
    figures = {path.stem for path in (tmp_path / "report/figures").iterdir()}
    assert figures == set(expected_figures(trained=True, has_test_set=False))
    assert figures < set(FIGURES)


def test_with_given_weights_the_training_is_left_out_even_if_old_curves_exist(made, tmp_path):
    copied(made, tmp_path)
    page = written(MadeRun(tmp_path, trained=False).read(test_set=False), tmp_path / "report")
    assert "Nothing was trained: the run used existing weights (given.pt)." in page
    assert "figure-losses" not in page


@pytest.mark.parametrize("part", ["dataset", "metrics", "predictions", "submission", "benchmarks"])
def test_the_report_of_an_unfinished_run_leaves_out_what_is_missing(made, part, tmp_path):
    half = copied(made, tmp_path)
    shutil.rmtree(half.results / part)
    assert 'class="missing"' in written(half.read(test_truth=False), tmp_path / "report")


def test_an_empty_folder_gives_a_page_of_sentences(tmp_path):
    nothing = MadeRun(tmp_path)
    nothing.results.mkdir(parents=True)
    page = written(nothing.read(), tmp_path / "report")
    for sentence in (
        "The data set has not been prepared yet.",
        "No training has finished yet.",
        "The detections have not been scored yet.",
        "The submission has not been written yet.",
        "There are no detections to show yet.",
    ):
        assert sentence in page


def test_classes_known_only_to_the_test_truth_are_shown_and_unknown_ones_are_not(made, tmp_path):
    changed = copied(made, tmp_path)
    shutil.copytree(made.root / "test", tmp_path / "test")
    truth = json.loads((made.root / "truth.json").read_text())
    truth["categories"].append({"id": 77, "name": "tram"})
    truth["annotations"][0]["category_id"] = 77
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    records = json.loads((made.results / "predictions/best_preds.json").read_text())
    records[0]["category_id"] = 99
    (changed.results / "predictions/best_preds.json").write_text(json.dumps(records))
    data = Outline(written(changed.read(), tmp_path / "report")).data
    assert json.loads(data["gallery-index"])["classes"] == [*CLASSES, "tram"]
    pictures = json.loads(data["pack0"])[made.images :]
    drawn = sum(len(picture["boxes"]) // 7 for picture in pictures)
    assert drawn == made.images * made.detections - 1


def test_the_command_takes_a_config_as_text_or_as_a_file(made, tmp_path):
    config = made.config.model_dump_json()
    options = ["--results", str(made.results), "--out", str(tmp_path / "out")]
    assert run(build_parser(), main, [*options, "--config", config]) == 0
    assert (tmp_path / "out/index.html").is_file()
    (tmp_path / "mine.yaml").write_text("run: mine\ndata: {root: photos}\n")
    assert run(build_parser(), main, [*options, "--config", str(tmp_path / "mine.yaml")]) == 0
    assert ">mine</h1>" in (tmp_path / "out/index.html").read_text()


@pytest.mark.parametrize(
    ("preset", "told"),
    [
        ("run: lot\ndata: {root: photos}\n", "differ from the preset lot"),
        ("cut: {max_bytes: 5000}\n", "differ from the defaults"),  # left for others to complete
    ],
)
def test_settings_are_compared_with_a_preset_that_is_complete(made, tmp_path, preset, told):
    (tmp_path / "lot.yaml").write_text(preset)
    options = ["--results", str(made.results), "--out", str(tmp_path / "out")]
    options += ["--config", made.config.model_dump_json(), "--preset", str(tmp_path / "lot.yaml")]
    assert run(build_parser(), main, options) == 0
    assert f"<h3>Settings that {told}</h3>" in (tmp_path / "out/index.html").read_text()


@pytest.mark.parametrize("config", ['{"run": ', "missing.yaml"])
def test_the_command_refuses_an_invalid_config(made, config, tmp_path, capsys):
    options = ["--results", str(made.results), "--out", str(tmp_path), "--config", config]
    assert run(build_parser(), main, options) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_damaged_file_is_named(made, tmp_path):
    damaged = copied(made, tmp_path)
    (damaged.results / "metrics/val.json").write_text("{")
    with pytest.raises(UserError, match=r"metrics/val\.json"):
        write_report(damaged.read(test_set=False), tmp_path / "report")
