"""Packs of images for tests."""

from collections.abc import Mapping
from pathlib import Path

from sonotrace.images.grey import STORED, Grey, encode_png
from sonotrace.images.packs import Stored, pack, stored_in


def packed(folder: Path, pictures: Mapping[str, Grey], name: str = "0") -> Stored:
    """Write pictures as one pack of a folder, and return all that the folder then holds."""
    folder.mkdir(parents=True, exist_ok=True)
    content = pack([(image, encode_png(picture, STORED)) for image, picture in sorted(pictures.items())])
    (folder / f"{name}.zip").write_bytes(content)
    return stored_in(folder)
