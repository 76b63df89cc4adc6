"""A contact sheet shows each finding once, up to a stated number of pages."""

import numpy as np
import pytest
from PIL import Image

from sonotrace.audit import sheet
from sonotrace.images.grey import write_png
from sonotrace.images.packs import Part


@pytest.fixture
def tiles(tmp_path):
    """Make tiles of one white image each."""
    write_png(np.full((64, 96), 255, np.uint8), tmp_path / "white.png")
    return lambda count, images=1: [
        sheet.Tile((Part(tmp_path / "white.png"),) * images, (f"{number}", "caption", "name"))
        for number in range(count)
    ]


def _white_squares(page):
    """Count images: each is enlarged to 240 x 160 px of white, far more than any letter."""
    import cv2

    _, _, stats, _ = cv2.connectedComponentsWithStats((np.asarray(Image.open(page)) == 255).astype(np.uint8))
    return int((stats[1:, cv2.CC_STAT_AREA] == 240 * 160).sum())


@pytest.mark.parametrize(("count", "images"), [(1, 1), (7, 1), (23, 1), (7, 2)])
def test_every_finding_stands_on_a_page_once(tiles, tmp_path, count, images):
    pages = sheet.write(tiles(count, images), "found", 2, tmp_path, "sheet")
    assert [page.name for page in pages] == ["sheet.png", "sheet-2.png", "sheet-3.png"][: -(-count // 10)]
    assert sum(_white_squares(page) for page in pages) == count * images


def test_nothing_found_makes_no_page(tmp_path):
    assert sheet.write([], "found", 2, tmp_path, "sheet") == []
    assert not list(tmp_path.iterdir())


def test_more_than_the_pages_hold_is_left_out_and_said(tiles, tmp_path, monkeypatch):
    lines = []
    monkeypatch.setattr(sheet, "PAGES", 2)
    monkeypatch.setattr(sheet, "_text", lambda _draw, _left, _top, line, _width: lines.append(line))
    pages = sheet.write(tiles(25), "found", 2, tmp_path, "sheet")
    assert sum(_white_squares(page) for page in pages) == 20
    titles = [line for line in lines if line.startswith("found")]
    assert titles == [
        f"found: {first} to {last} of 25; the other 5 stand in the table" for first, last in ((1, 10), (11, 20))
    ]


def test_large_images_and_long_names_stay_in_their_place(tmp_path):
    write_png(np.full((900, 700), 255, np.uint8), tmp_path / "large.png")
    tile = sheet.Tile((Part(tmp_path / "large.png"),), ("1.", "W" * 200))
    page = np.asarray(Image.open(sheet.write([tile], "found", 2, tmp_path, "sheet")[0]))
    assert (page[:, :8] == 0).all()
    assert (page[:, 256:] == 0).all()
    assert page[280:].any()
