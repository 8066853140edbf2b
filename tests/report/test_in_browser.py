"""The report in Debian's Chromium: nothing on the console, nothing from the network, readable at any width."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Page, sync_playwright

from skipray.report import write

CHROMIUM = shutil.which("chromium")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]


@dataclass
class Opened:
    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def address(whole, tmp_path_factory) -> str:
    return write(whole, tmp_path_factory.mktemp("browser")).html.as_uri()


@pytest.fixture
def opened(browser, address, request) -> Iterator[Opened]:
    width, scheme = getattr(request, "param", (1400, "light"))
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    found = Opened(context.new_page())
    found.page.on("console", lambda message: found.said.append(message.text))
    found.page.on("pageerror", lambda error: found.said.append(str(error)))
    found.page.on("request", lambda asked: found.asked.append(asked.url))
    found.page.goto(address)
    yield found
    context.close()
    assert found.said == []
    assert [url for url in found.asked if url != address and not url.startswith("data:")] == []


def colour(page: Page, what: str, selector: str) -> tuple[float, float, float]:
    text = page.evaluate(f"getComputedStyle(document.querySelector({selector!r})).{what}")
    red, green, blue = (float(part) for part in text[text.index("(") + 1 : -1].split(",")[:3])
    return red, green, blue


def luminance(rgb: tuple[float, float, float]) -> float:
    """Relative luminance (WCAG 2.2)."""
    linear = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: tuple[float, float, float], second: tuple[float, float, float]) -> float:
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(
    "opened", [(1400, "light"), (1400, "dark"), (390, "light"), (390, "dark"), (320, "light")], indirect=True
)
def test_nothing_overflows_and_everything_can_be_seen(opened):
    page = opened.page
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page itself never scrolls sideways"
    background = colour(page, "backgroundColor", "body")
    assert contrast(colour(page, "color", ".answer"), background) >= 7
    assert contrast(colour(page, "color", "figcaption"), background) >= 4.5
    page.locator("#accuracy-by-depth-0").scroll_into_view_if_needed()
    page.locator("#accuracy-by-depth-0 .mark-line path").first.wait_for(state="attached")
    for mark in page.locator(".plot .mark-line path").all()[:40]:
        shown = mark.evaluate("e => getComputedStyle(e).stroke")
        rgb = tuple(float(part) for part in shown[shown.index("(") + 1 : -1].split(","))
        assert contrast(rgb, background) >= 3.0, shown


def test_the_scheme_can_be_chosen(opened):
    page = opened.page
    light = luminance(colour(page, "backgroundColor", "body"))
    button = page.get_by_role("button", name="Colours")
    button.click()
    button.click()
    assert button.inner_text() == "Colours: dark"
    assert luminance(colour(page, "backgroundColor", "body")) < 0.05 < light
    page.reload()
    assert luminance(colour(page, "backgroundColor", "body")) < 0.05, "the choice is kept"


def test_values_by_pointer_and_by_keyboard(opened):
    page = opened.page
    figure = page.locator("#accuracy-by-depth-0")
    figure.scroll_into_view_if_needed()
    figure.locator("svg").wait_for()
    tip = page.locator("#tip")
    assert tip.is_hidden()
    figure.focus()
    page.keyboard.press("ArrowRight")
    first = tip.inner_text()
    assert first.startswith("PlainNet")
    assert "depth 8, seed 0" in first
    page.keyboard.press("ArrowRight")
    assert "depth 8, seed 1" in tip.inner_text()
    page.keyboard.press("Escape")
    assert tip.is_hidden()
    page.locator("#training-by-epoch-0").scroll_into_view_if_needed()
    page.locator("#training-by-epoch-0 svg").hover()
    assert "epoch" in page.locator("#tip").inner_text()


def lines(page: Page) -> int:
    return page.locator("#accuracy-by-depth-0 .mark-line path").count()


def test_the_legend_hides_and_shows_by_keyboard(opened):
    page = opened.page
    page.locator("#accuracy-by-depth-0").scroll_into_view_if_needed()
    page.locator("#accuracy-by-depth-0 svg").wait_for()
    whole = lines(page)
    box = page.locator("#accuracy-by-depth .legend").get_by_label("PlainNet")
    box.focus()
    page.keyboard.press("Space")
    page.wait_for_function(f"document.querySelectorAll('#accuracy-by-depth-0 .mark-line path').length === {whole - 1}")
    page.locator("#accuracy-by-depth-0").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#tip").inner_text().startswith("ResNet"), "what is hidden is not read"
    box.focus()
    page.keyboard.press("Space")
    page.wait_for_function(f"document.querySelectorAll('#accuracy-by-depth-0 .mark-line path').length === {whole}")


def test_zoom_by_keyboard_and_back(opened):
    page = opened.page
    figure = page.locator("#training-by-epoch-0")
    figure.scroll_into_view_if_needed()
    figure.locator("svg").wait_for()
    ticks = figure.locator(".role-axis-label text")
    before = ticks.all_inner_texts()
    figure.focus()
    for key in ("+", "+", "0"):
        page.keyboard.press(key)
        page.wait_for_timeout(100)
        assert (ticks.all_inner_texts() == before) == (key == "0")


def test_the_legend_hides_and_shows_by_pointer(opened):
    page = opened.page
    page.locator("#accuracy-by-depth-0").scroll_into_view_if_needed()
    page.locator("#accuracy-by-depth-0 svg").wait_for()
    whole = lines(page)
    box = page.locator("#accuracy-by-depth .legend").get_by_label("PlainNet")
    for count in (whole - 1, whole):
        box.click()
        page.wait_for_function(f"document.querySelectorAll('#accuracy-by-depth-0 .mark-line path').length === {count}")


def test_zoom_by_wheel_with_shift_alone(opened):
    page = opened.page
    figure = page.locator("#training-by-epoch-0")
    figure.scroll_into_view_if_needed()
    figure.locator("svg").wait_for()
    ticks = figure.locator(".role-axis-label text")
    before = ticks.all_inner_texts()
    figure.locator("svg").hover()
    page.mouse.wheel(0, -1)
    page.wait_for_timeout(100)
    assert ticks.all_inner_texts() == before, "the page scrolls"
    page.keyboard.down("Shift")
    figure.locator("svg").hover()
    page.mouse.wheel(0, -400)
    page.keyboard.up("Shift")
    page.wait_for_timeout(200)
    assert ticks.all_inner_texts() != before


def test_keyboard_reaches_the_answer_first(opened):
    page = opened.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the answer"


def test_prints_in_light_colours_with_tables_unfolded(opened):
    page = opened.page
    page.emulate_media(media="print", color_scheme="dark")
    assert luminance(colour(page, "backgroundColor", "body")) > 0.9
    assert page.get_by_role("button").count() == 0
    assert page.locator(".plot svg").count() < page.locator(".plot").count(), "nobody has come to the last figures"
    assert len(page.pdf(prefer_css_page_size=True)) > 50_000
    assert page.locator(".plot svg").count() == page.locator(".plot").count(), "printed all the same"
