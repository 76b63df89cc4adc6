"""The page in a real browser: nothing is asked of any network, links and filters work, and everybody can read it."""

import os
import re
import shutil

import cv2
import numpy as np
import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed; `make setup` does it")
axe = pytest.importorskip("axe_playwright_python.base", reason="axe is not installed; `make setup` does it")

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on PATH; your distribution has one to install")

PHONE, DESK = {"width": 375, "height": 812}, {"width": 1280, "height": 900}
SERIOUS = ("serious", "critical")
OVERFLOWING = """() => [...document.querySelectorAll('main *, header *, nav *')].filter(one =>
    !one.closest('.scroll') && !one.ownerSVGElement && one.checkVisibility()
    && one.getBoundingClientRect().right > innerWidth + 1)
    .map(one => one.tagName + '.' + one.className)"""


@pytest.fixture(scope="module")
def browser():
    # As root, as in containers, Chromium runs only without its sandbox; the page is ours.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=BROWSER, args=arguments)
        yield opened
        opened.close()


@pytest.fixture
def view(browser, checkout):
    """Return what opens the page, with settings of the browser, and fails if it asked or complained of anything."""
    asked, said, contexts = [], [], []
    address = (checkout / "reports/index.html").as_uri()

    def show(size=DESK, anchor="", **settings):
        contexts.append(browser.new_context(viewport=size, **settings))
        page = contexts[-1].new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(address + anchor)
        return page

    yield show
    for context in contexts:
        context.close()
    assert [url for url in asked if url.partition("#")[0] != address and not url.startswith("data:")] == []
    assert said == []


def _visible(page, data_set="planes"):
    return page.locator(f'[data-set="{data_set}"] > ul.pictures .case:visible').count()


def test_it_opens_with_the_failures_and_shows_their_pictures(view):
    page = view()
    assert page.locator("h2#fails-title").is_visible()
    shown = page.locator('[data-set="planes"] > ul.pictures .case svg').first
    assert shown.get_attribute("aria-label").startswith("Image ")
    # The picture is drawn: noise, so neither black nor of one colour.
    drawn = cv2.imdecode(np.frombuffer(shown.screenshot(), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert drawn.std() > 10
    box = shown.bounding_box()
    assert box["width"] > 100
    assert box["height"] > 100


def test_a_number_of_the_confusion_matrix_opens_onto_its_images(view):
    page = view()
    link = page.locator('[data-set="planes"] .confusion a').first
    gallery = page.locator(link.get_attribute("href"))
    assert not gallery.evaluate("one => one.open")
    link.click()
    playwright.expect(gallery).to_have_attribute("open", "")
    assert gallery.locator(".case:visible").count() > 0
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_an_address_with_an_anchor_opens_what_it_names(view):
    page = view(anchor="#planes-cell-1-2")
    assert page.locator("#planes-cell-1-2").evaluate("one => one.open")


def test_the_filter_by_scanner_leaves_the_images_of_that_scanner(view):
    page = view()
    before = _visible(page)
    filters = page.locator('.filters[data-of="abroad"]')
    filters.locator("select[name=scanner]").select_option("GE Voluson")
    left = page.locator('[data-set="abroad"] .case:not([hidden])')
    assert set(left.evaluate_all("all => all.map(one => one.dataset.scanner)")) == {"GE Voluson"}
    assert "of" in filters.locator("output").inner_text()
    assert _visible(page) == before  # other data sets keep theirs
    filters.locator("button[type=reset]").click()
    playwright.expect(page.locator('[data-set="abroad"] .case[hidden]')).to_have_count(0)


def test_an_image_is_found_by_its_code(view):
    page = view()
    code = page.locator('[data-set="planes"] .case').first.get_attribute("data-code")
    page.locator('.filters[data-of="planes"] input').fill(code)
    left = page.locator('[data-set="planes"] .case:not([hidden])')
    assert set(left.evaluate_all("all => all.map(one => one.dataset.code)")) == {code}
    assert page.locator('.filters[data-of="planes"] output').inner_text().startswith("1 of ")


def test_a_keyboard_reaches_links_and_galleries(view):
    page = view()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    playwright.expect(page).to_have_url(re.compile("#fails$"))
    summary = page.locator("details.gallery > summary").first
    summary.focus()
    page.keyboard.press("Enter")
    assert page.locator("details.gallery").first.evaluate("one => one.open")


def test_without_scripts_everything_is_there_but_the_filters(view):
    page = view(java_script_enabled=False)
    assert page.locator(".filters").first.is_hidden()
    assert page.locator('[data-set="planes"] > ul.pictures .case').first.is_visible()
    page.locator("details.gallery > summary").first.click()
    assert page.locator("details.gallery .case").first.is_visible()


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_nothing_has_to_be_scrolled_sideways(view, size):
    page = view(size)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") == size["width"]
    assert page.evaluate(OVERFLOWING) == []


@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "dark"), (DESK, "light")], ids=["phone-dark", "desk-light"])
def test_axe_finds_nothing_serious(view, size, scheme):
    page = view(size, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    page.evaluate(axe.AXE_FILE_PATH.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")
    assert found["passes"]
    problems = [(one["id"], one["nodes"][0]["html"][:200]) for one in found["violations"] if one["impact"] in SERIOUS]
    assert problems == []


def test_dark_mode_is_dark(view):
    def background(scheme):
        colour = view(color_scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))

    assert background("dark") < 150
    assert background("light") > 600


def test_in_print_all_is_open_and_dark_on_white(view):
    page = view(color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator("details:not([open])").count() == 0
    assert page.locator("nav.parts").is_hidden()
    assert page.locator(".filters").first.is_hidden()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 0


def test_a_script_that_was_slipped_in_would_not_run(browser, checkout, tmp_path):
    content = (checkout / "reports/index.html").read_text(encoding="utf-8")
    slipped = content.replace("<main>", "<main><script>document.title = 'run'</script>", 1)
    (tmp_path / "page.html").write_text(slipped, encoding="utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    assert page.title() == "Fetal ultrasound models: report"
    page.close()
