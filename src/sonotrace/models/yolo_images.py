"""How Ultralytics reads the images of a training: pages of copies as they are stored, and none with a border."""

from pathlib import Path
from typing import Any

import cv2
from numpy.typing import NDArray

from sonotrace.images.grey import read_page


def link_of(number: int, page: int = 0) -> str:
    """Return the name under which an image of a side, or a page of its copies, is laid out."""
    return f"{number:07}_{page:03}.tif" if page else f"{number:07}.png"


def adapt() -> None:
    """Have Ultralytics read a `link_of` a page as that page, and validate images as it predicts them.

    It knows no pages, and pads validation images by half a stride, which it does not do to predict.
    """
    from ultralytics.data import base, build
    from ultralytics.data.dataset import YOLODataset

    class Unpadded(YOLODataset):
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **settings | {"pad": 0.0})

    build.YOLODataset = Unpadded  # type: ignore[misc, attr-defined]
    base.imread = read  # type: ignore[attr-defined, assignment]


def read(filename: str, flags: int = cv2.IMREAD_COLOR) -> NDArray[Any] | None:
    """Read what lies at a `link_of`, as Ultralytics' own `imread` reads files: BGR, shape (height, width, 3)."""
    from ultralytics.utils.patches import imread

    path = Path(filename)
    _, _, page = path.stem.partition("_")
    if path.suffix == ".tif" and page.isdigit():
        return cv2.cvtColor(read_page(path, int(page)), cv2.COLOR_GRAY2BGR)
    found: NDArray[Any] | None = imread(filename, flags)
    return found
