"""What the targets of `fuzz.py` share: their list, and the valid files that they start from.

A target is called with an empty folder, which is also the working directory. It returns a function of bytes, and valid
inputs for it. An input of several files has them one after another, each below a line `=== NAME`.
"""

import contextlib
import io
import json
import re
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from measure import REPOSITORY
from PIL import Image

from sonotrace.errors import SonotraceError

sys.path.append(str(REPOSITORY / "tests"))

Made = tuple[Callable[[bytes], object], list[bytes]]
TARGETS: dict[str, Callable[[Path], Made]] = {}
GREY = np.arange(32 * 24, dtype=np.uint8).reshape(24, 32) // 3
SHA = "0123456789abcdef" * 4


def target(make: Callable[[Path], Made]) -> Callable[[Path], Made]:
    TARGETS[make.__name__] = make
    return make


def joined(files: Mapping[str, bytes]) -> bytes:
    return b"".join(b"=== " + name.encode() + b"\n" + content + b"\n" for name, content in files.items())


def parted(content: bytes) -> list[tuple[str, bytes]]:
    """Return names and contents; what is before the first mark is dropped."""
    _, *rest = re.split(rb"(?:^|\n)=== (.*)\n", content)
    named = [name.decode(errors="surrogateescape") for name in rest[::2]]
    return [(name, part.removesuffix(b"\n")) for name, part in zip(named, rest[1::2], strict=True)]


def lay_out(folder: Path, files: list[tuple[str, bytes]]) -> None:
    """Write the files whose names lead to a place below the folder."""
    for name, content in files[:30]:
        if name.startswith("/") or ".." in name:
            continue
        with contextlib.suppress(OSError, ValueError):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).mkdir() if name.endswith("/") else (folder / name).write_bytes(content)


def emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def encoded(form: str, image: Any = GREY, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, form, **options)
    return buffer.getvalue()


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(files: Mapping[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@contextlib.contextmanager
def reported() -> Iterator[None]:
    """Go on after an error that is meant for the user, if it is one printable line."""
    try:
        yield
    except SonotraceError as error:
        if not str(error).isprintable():
            raise


PNG = encoded("PNG")
TABLE = b"Image_name,Plane,Patient,Train,US_Machine,Site\na,Fetal brain,1,1,Voluson E6,A\nb,Fetal femur,2,0,Aloka,B\n"
CARD = b"names: [MIDLINE_FALX, CSP, CHOROID_PLEXUS]\nnc: 3\nroboflow:\n  license: CC BY 4.0\n"
COCO = json.dumps(
    {
        "info": {"year": "2026"},
        "images": [{"id": 0, "file_name": "a.png", "width": 32, "height": 24}, {"id": 1, "file_name": "images/b.png"}],
        "categories": [{"id": 0, "name": "heads"}, {"id": 1, "name": "CSP"}, {"id": 2, "name": "MIDLINE_FALX"}],
        "annotations": [
            {"id": 0, "image_id": 0, "category_id": 1, "bbox": [1, 2, 3.5, 4], "attributes": {"rotation": 30.0}},
            {"id": 1, "image_id": 1, "category_id": 2, "segmentation": [[1, 1, 9, 1, 9, 9]], "iscrowd": 0},
        ],
    }
).encode()
DEEP = b"[" * 3000 + b"]" * 3000
ALIASES = b"a: &a [CSP, CSP]\nb: &b [*a, *a, *a, *a]\nc: &c {<<: {nc: 1}, x: *b}\nnames: [*b, *c]\n"
