"""How Ultralytics reads the images that a training validates on: without a border."""

from typing import Any


def adapt() -> None:
    """Have Ultralytics validate images as it predicts them; it would pad them by half a stride, only to validate."""
    from ultralytics.data import build
    from ultralytics.data.dataset import YOLODataset

    class Unpadded(YOLODataset):
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **settings | {"pad": 0.0})

    build.YOLODataset = Unpadded  # type: ignore[misc, attr-defined]
