"""Contact sheets: pages of images with captions, for a person to look through."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from sonotrace.images.packs import Part

PAGES = 10
"""Most pages of a sheet."""
ROWS = 5
_SIDE = 240
"""Px of the square that an image is fitted into."""
_GAP = 12
_TEXT = 15
"""Height of the letters, px."""
_LINE = 20


@dataclass(frozen=True)
class Tile:
    """One finding: its images, side by side, and a few lines below them."""

    images: tuple[Part, ...]
    caption: tuple[str, ...]


def write(tiles: Sequence[Tile], what: str, columns: int, folder: Path, name: str) -> list[Path]:
    """Write `name.png`, `name-2.png` and so on into `folder`, and return them; without tiles, none.

    A page has `columns` x ROWS tiles, all alike; there are PAGES pages at most, and the first line of
    each says which of the findings it shows.
    """
    written = []
    for number, page in enumerate(_pages(tiles, what, columns), 1):
        path = folder / (f"{name}.png" if number == 1 else f"{name}-{number}.png")
        page.save(path)
        written.append(path)
    return written


def shown(tiles: int, columns: int) -> int:
    """Return how many of so many tiles the pages have room for."""
    return min(tiles, PAGES * columns * ROWS)


def _pages(tiles: Sequence[Tile], what: str, columns: int) -> Iterator[Image.Image]:
    room = columns * ROWS
    last = shown(len(tiles), columns)
    for at in range(0, last, room):
        part = tiles[at : min(at + room, last)]
        width = len(part[0].images) * (_SIDE + _GAP)
        height = _SIDE + len(part[0].caption) * _LINE + _GAP
        rows = -(-len(part) // columns)
        page = Image.new("L", (columns * width + _GAP, rows * height + 2 * _LINE), 0)
        draw = ImageDraw.Draw(page)
        left_out = f"; the other {len(tiles) - last} stand in the table" if last < len(tiles) else ""
        _text(draw, _GAP, _LINE // 2, f"{what}: {at + 1} to {at + len(part)} of {len(tiles)}{left_out}", page.width)
        for number, tile in enumerate(part):
            row, column = divmod(number, columns)
            _place(page, draw, tile, _GAP + column * width, 2 * _LINE + row * height)
        yield page


def _place(page: Image.Image, draw: ImageDraw.ImageDraw, tile: Tile, left: int, top: int) -> None:
    for number, part in enumerate(tile.images):
        image = ImageOps.contain(Image.fromarray(part.read()), (_SIDE, _SIDE))
        x = left + number * (_SIDE + _GAP) + (_SIDE - image.width) // 2
        page.paste(image, (x, top + (_SIDE - image.height) // 2))
    for number, line in enumerate(tile.caption):
        _text(draw, left, top + _SIDE + number * _LINE, line, len(tile.images) * (_SIDE + _GAP) - _GAP)


def _text(draw: ImageDraw.ImageDraw, left: int, top: int, line: str, width: int) -> None:
    """Write one line, with the middle left out where it is wider than `width` px."""
    font = ImageFont.load_default(_TEXT)
    kept = len(line)
    text = line
    while draw.textlength(text, font) > width and kept > 2:
        kept -= 1
        text = f"{line[: kept - kept // 2]}…{line[-(kept // 2) :]}"
    draw.text((left, top), text, 255, font)
