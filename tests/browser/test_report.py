"""The report in a real browser: Debian's Chromium, from file://, without a network.

Screenshots are kept in pytest's temporary folder.
"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from made_run import CLASSES, HOSTILE, MadeRun, make_run
from parkdet.report import gallery
from parkdet.report.page import write_report

IMAGES = 30  # of val, and of test
ALL = f"{2 * IMAGES} of {2 * IMAGES} images"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        reason = "needs Chromium: apt-get install chromium"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """A report of which only the first images are within the page, the others beside it."""
    made = make_run(MadeRun(tmp_path_factory.mktemp("made"), images=IMAGES))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gallery, "PACK", 8)
        patch.setattr(gallery, "WITHIN_PAGE", 40_000)
        write_report(made.read(), made.root / "report", threads=2)
    assert list((made.root / "report/gallery").iterdir())
    return made.root / "report"


class Watched:
    """A page, what it asked for and what it complained about."""

    def __init__(self, page: Page, report: Path) -> None:
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog {dialog.message}"))
        page.goto((report / "index.html").as_uri())

    def choose(self, control: str, value: str) -> None:
        self.page.select_option(f"#{control}", value)

    def look_at_cards(self) -> None:
        """Scrolls to their place; the cards themselves are drawn anew at any time."""
        self.page.locator("#cards").evaluate("cards => cards.scrollIntoView()")

    def slide(self, score: float) -> None:
        self.page.locator("#score").fill(f"{score:.2f}")


@pytest.fixture
def watched(request, browser, report) -> Iterator[Watched]:
    width, scheme = getattr(request, "param", (1280, "light"))
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    context.set_offline(True)
    watched = Watched(context.new_page(), report)
    yield watched
    outside = [url for url in watched.requests if not url.startswith(("file://", "data:"))]
    assert (outside, watched.complaints) == ([], [])
    context.close()


on_both = pytest.mark.parametrize(
    "watched", [(1280, "light"), (390, "dark")], ids=["desktop-light", "phone-dark"], indirect=True
)


@on_both
def test_the_page_fits_its_window_and_is_kept_as_a_picture(watched, tmp_path):
    page = watched.page
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for part in ("overview", "data", "training", "quality", "submission", "run", "gallery"):
        page.locator(f".top nav a[href='#{part}'], .brand[href='#{part}']").click()
        expect(page.locator(f"#{part}")).to_be_in_viewport()
        page.screenshot(path=tmp_path / f"{part}.png")
    assert len(list(tmp_path.glob("*.png"))) == 7
    assert page.locator("th", has_text=HOSTILE).first.is_visible()


def test_the_slider_changes_what_is_drawn(watched):
    page, boxes = watched.page, watched.page.locator(".shot rect.box")
    watched.look_at_cards()
    expect(page.locator("#shown")).to_have_text(ALL)
    watched.slide(0)
    expect(page.locator(".shot").first.locator("rect.box")).to_have_count(8)
    watched.slide(1)
    expect(boxes).to_have_count(0)
    expect(page.locator("#score-value")).to_have_text("1.00")
    expect(page.locator(".shot").first.locator("rect.missed")).to_have_count(3)


def test_filters_and_order_choose_the_images(watched):
    page = watched.page
    watched.choose("part", "val")
    expect(page.locator("#shown")).to_have_text(f"{IMAGES} of {2 * IMAGES} images")
    watched.choose("class", "1")
    watched.look_at_cards()
    titles = page.locator(".shot rect title")
    expect(titles.first).to_contain_text(HOSTILE)
    others = titles.filter(has_text=CLASSES[0])
    expect(others).to_have_count(0)
    watched.choose("part", "")
    watched.choose("class", "")
    watched.choose("order", "name")
    expect(page.locator(".shot").first).to_have_attribute("aria-label", re.compile("^test"))
    names = page.locator(".shot").evaluate_all("cards => cards.map((card) => card.ariaLabel)")
    assert len(names) == 2 * IMAGES
    assert names[0].startswith("test")


def test_worst_first_puts_the_image_with_most_mistakes_first(watched):
    shown = watched.page.evaluate(
        "() => [...document.querySelectorAll('.shot')].map((card) => card.parkdetNumber)"
    )
    index = watched.page.evaluate(
        "JSON.parse(document.getElementById('gallery-index').textContent)"
    )
    mistakes = [index["images"][n]["missed"] + index["images"][n]["wrong"] for n in shown]
    assert mistakes == sorted(mistakes, reverse=True)
    assert mistakes[0] > mistakes[-1]


def test_truth_is_shown_and_hidden(watched):
    page = watched.page
    watched.look_at_cards()
    expect(page.locator(".shot").first.locator("rect.truth")).to_have_count(3)
    page.locator("#truth").press("Space")  # a click may miss it while the page scrolls
    expect(page.locator("#truth")).not_to_be_checked()
    expect(page.locator(".shot rect.truth")).to_have_count(0)


def test_pictures_beside_the_page_are_loaded_when_they_are_scrolled_to(watched):
    page = watched.page
    last = page.locator(".shot").last
    assert last.locator("image").count() == 0
    last.scroll_into_view_if_needed()
    expect(last.locator("image")).to_have_count(1)
    assert any("/gallery/pack" in url for url in watched.requests)


@on_both
def test_the_viewer_goes_on_by_the_arrow_keys(watched, tmp_path):
    page = watched.page
    cards, name = page.locator(".shot"), page.locator("#viewer-name")
    labels = cards.evaluate_all("all => all.slice(0, 2).map((card) => card.ariaLabel)")
    files = [label.split(": ")[0].split(" ", 1)[1] for label in labels]
    cards.first.focus()
    page.keyboard.press("Enter")
    expect(name).to_contain_text(files[0])
    expect(page.locator("#viewer-picture image")).to_have_count(1)
    page.keyboard.press("ArrowRight")
    expect(name).to_contain_text(files[1])
    page.keyboard.press("ArrowLeft")
    expect(name).to_contain_text(files[0])
    page.keyboard.press("t")
    expect(page.locator("#viewer-picture rect.truth")).to_have_count(0)
    page.screenshot(path=tmp_path / "viewer.png")
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).not_to_be_visible()


def test_in_print_the_charts_stay_and_the_controls_go(watched):
    page = watched.page
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.locator("#figure-class_histogram rect.bar").first).to_be_visible()
    expect(page.locator("#controls")).not_to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_the_switch_turns_the_colours(watched):
    page = watched.page
    colour = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(colour)
    page.locator("#theme").click()
    after = page.evaluate(colour)
    assert before != after
    page.reload()
    assert page.evaluate(colour) == after
    page.locator("#theme").click()
    assert page.evaluate(colour) == before


def test_tables_are_sorted_by_a_click(watched):
    page = watched.page
    table = page.locator("#quality table.sortable")
    table.locator("thead button", has_text="AP50:95").click()
    values = table.locator("tbody tr td:nth-child(4)").all_inner_texts()
    assert len(values) == len(CLASSES)
    assert [float(value) for value in values] == sorted(map(float, values), reverse=True)


def test_a_page_that_was_sent_without_its_folder_says_so(browser, report, tmp_path):
    shutil.copy(report / "index.html", tmp_path)
    page = browser.new_page()
    page.goto((tmp_path / "index.html").as_uri())
    page.locator(".shot").last.scroll_into_view_if_needed()
    expect(page.locator(".shot").last).to_contain_text("was not found next to this page")
    expect(page.locator(".shot image").first).to_be_attached()
    page.close()


def test_the_browser_is_told_to_refuse_the_network(watched):
    """The page's own policy holds even for code that would be smuggled in."""
    refused = watched.page.evaluate(
        "fetch('https://example.org/').then(() => 'reached', (error) => error.name)"
    )
    assert refused == "TypeError"
    assert any("Content Security Policy" in text for text in watched.complaints)
    watched.complaints.clear()
    watched.requests.clear()
