"""The page of the service in a real browser: an image that is dropped shows its plane and its boxes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_models

from sonotrace import cli
from sonotrace.images.grey import write_png

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed; `make setup` does it")

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on PATH; your distribution has one to install")


@pytest.fixture
def address(tmp_path):
    """Serve models that go by the grey level; return where."""
    tiny_models.write(tmp_path / "models")
    env = os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[2])}
    start = [sys.executable, "-m", "sonotrace", "serve", "--allow-unknown", "--port", "0"]
    with subprocess.Popen(start, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) as server:
        yield re.search(r"http://\S+(?=;)", next(line for line in server.stdout if line.startswith("serve: ")))[0]
        server.terminate()


def test_images_show_their_plane_or_that_they_have_none_and_files_that_are_none_say_so(address, tmp_path):
    for name, level in {"brain": tiny_models.LEVELS["brain"], "far": tiny_models.FAR}.items():
        write_png(np.full((32, 64), level, np.uint8), tmp_path / f"{name}.png")
    (tmp_path / "broken.png").write_bytes(b"no image")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    asked, said = [], []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=arguments)
        page = browser.new_page(viewport={"width": 375, "height": 812}, color_scheme="dark")
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.goto(address)
        for number, name in enumerate(("brain", "far", "broken"), start=1):
            page.locator("#files").set_input_files(tmp_path / f"{name}.png")
            playwright.expect(page.locator("article")).to_have_count(number)
            playwright.expect(page.locator("article .soft", has_text="Looking")).to_have_count(0)
        broken, far, brain = (article.inner_text() for article in page.locator("article").all())
        assert "brain" in brain
        assert "CSP 90.0 %, [16, 8, 48, 24] px" in brain
        assert page.locator("article canvas").count() == 2
        assert "none of the four planes" in far
        assert "broken.png: " in broken
        assert re.search(r"Models \(sha256\): planes [0-9a-f]{64}", page.locator("#models").inner_text())
        wide = page.evaluate("document.documentElement.scrollWidth")
        browser.close()
    assert wide <= 375
    assert [one for one in asked if not one.startswith((address, "blob:"))] == []
    assert [one for one in said if "422" not in one] == []
