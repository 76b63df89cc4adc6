"""Draw occlusion maps as one SVG, with the images beneath them or, where no patient's image may be, without."""

import base64
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

import cv2
import numpy as np

from sonotrace.images.grey import Grey, encode_png
from sonotrace.images.preparation import sector
from sonotrace.models.occlusion import CELLS, OcclusionMap

_COLUMNS, _SIDE, _GAP, _TOP, _CAPTION = 4, 192, 16, 60, 44  # px but for the first
_SHOWN = 128
"""px: images are drawn this wide, which also leaves burned-in text illegible."""
_FAINTEST = 0.05
"""Drop that is drawn in full colour at least: a map without any drop stays empty."""


def draw(maps: Sequence[OcclusionMap], data_set: str, with_images: bool) -> str:
    """Return the picture: the redder, the more the answer's probability drops when that part of the image is covered.

    Without images, the outline of the ultrasound sector is drawn in their place. The same maps give the same bytes.
    """
    width = _GAP + _COLUMNS * (_SIDE + _GAP)
    height = _TOP + -(-len(maps) // _COLUMNS) * (_SIDE + _CAPTION)
    size = f'width="{width}" height="{height}"'
    title = f"{data_set}: where the classifier looks in a sample of the test images"
    note = "red: covering that part lowers the probability of the answer; full colour at the largest drop"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{_GAP}" y="24" font-size="14">{escape(title)}</text>',
        f'<text x="{_GAP}" y="44">{escape(note)}</text>',
    ]
    for at, one in enumerate(maps):
        left, top = _GAP + at % _COLUMNS * (_SIDE + _GAP), _TOP + at // _COLUMNS * (_SIDE + _CAPTION)
        parts.append(f'<g transform="translate({left} {top})">')
        parts.append(_image(one.image) if with_images else _outline(one.image))
        parts.extend(_cells(one))
        parts.extend(_caption(one))
        parts.append("</g>")
    return "\n".join([*parts, "</svg>"]) + "\n"


def _image(image: Grey) -> str:
    small = np.asarray(cv2.resize(image, (_SHOWN, _SHOWN), interpolation=cv2.INTER_AREA), np.uint8)
    content = base64.b64encode(encode_png(small)).decode()
    return f'<image width="{_SIDE}" height="{_SIDE}" href="data:image/png;base64,{content}"/>'


def _outline(image: Grey) -> str:
    inside = sector(image).astype(np.uint8)
    outlines, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    corners = cv2.approxPolyDP(outlines[0], 2, closed=True)[:, 0] * _SIDE / np.array(image.shape[::-1])
    points = " ".join(f"{right:.0f},{down:.0f}" for right, down in corners)
    return f'<rect width="{_SIDE}" height="{_SIDE}" fill="#eee"/><polygon points="{points}" fill="#fff" stroke="#888"/>'


def _cells(one: OcclusionMap) -> Iterator[str]:
    side = _SIDE // CELLS
    shares = one.drops / max(float(one.drops.max()), _FAINTEST)
    for row, column in zip(*np.nonzero(shares > 0.005), strict=True):
        yield (
            f'<rect x="{column * side}" y="{row * side}" width="{side}" height="{side}" fill="#d00" '
            f'fill-opacity="{0.7 * shares[row, column]:.2f}"/>'
        )


def _caption(one: OcclusionMap) -> Iterator[str]:
    answer = one.answer if one.answer == one.label else f"{one.answer}, labelled {one.label}"
    yield f'<text y="{_SIDE + 14}">{escape(answer)}</text>'
    yield f'<text y="{_SIDE + 29}">{one.probability:.2f}; largest drop {max(float(one.drops.max()), 0):.2f}</text>'
