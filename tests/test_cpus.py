"""Images have the same bytes on every x86-64 CPU, from the phantom's drawing to the augmented copies.

Libraries are told to do without what this CPU has beyond the oldest one they support.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from numpy._core._multiarray_umath import __cpu_dispatch__ as numpy_dispatches

ROOT = Path(__file__).parents[1]
MAKE = """
import hashlib
import sys
from pathlib import Path

import numpy as np

from sonotrace.images.augmentation import apply_to_boxes, apply_to_image, draw
from sonotrace.images.grey import read_grey
from sonotrace.images.preparation import Preparation
from sonotrace.params import load
from sonotrace.sources.phantom import snapshot
from sonotrace.checks.decoding import measure

root, into = map(Path, sys.argv[1:])
changes = load(root / "params.yaml").augment["planes"].model_copy(update={"blur": 2.5})
box = np.array([[40.0, 50.0, 120.0, 110.0]])
digests = {}

def add(name, content):
    digests.setdefault(name, hashlib.sha256()).update(content)

for data_set, images in (("planes", 6), ("structures", 4)):
    drawn = into / data_set
    drawn.mkdir()
    snapshot(data_set, root / "data/phantom" / data_set, {"images": images, "seed": 1, "copies": 2}, drawn, 1, print)
    for path in sorted(path for path in drawn.rglob("*") if path.is_file()):
        add(f"{data_set} drawn", path.name.encode() + path.read_bytes())
        if path.suffix not in {".png", ".jpg"}:
            continue
        image = read_grey(path)
        add("statistics", repr(measure(image)).encode())
        small = Preparation(256, 256, "stretch", False).apply(image)
        for form in (Preparation(300, 256, "letterbox", True), Preparation(1600, 1000, "stretch", False)):
            add("prepared", form.apply(image).tobytes())
        for copy in range(1, 6):
            change = draw(changes, path.stem, copy, 256, 256)
            add("augmented", apply_to_image(small, change).tobytes())
            add("boxes", apply_to_boxes(box, change, 256, 256, 0.3)[0].round(3).tobytes())
print({name: digest.hexdigest() for name, digest in digests.items()})
"""
OLDEST = {
    "numpy": {"NPY_DISABLE_CPU_FEATURES": " ".join(numpy_dispatches)},
    "opencv": {
        "OPENCV_CPU_DISABLE": "AVX512-SKX,AVX512-COMMON,AVX512F,AVX2,FMA3,FP16,AVX,SSE4.2,POPCNT,SSE4.1,SSSE3",
        "OPENCV_IPP": "disabled",
    },
    "glibc and OpenBLAS": {
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA,-FMA4,-AVX",
        "OPENBLAS_CORETYPE": "Nehalem",
    },
}
"""Library -> environment in which it takes its code for the oldest CPU."""


def _made(into: Path, environment: dict[str, str]) -> str:
    into.mkdir()
    command = [sys.executable, "-c", MAKE, str(ROOT), str(into)]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what this CPU makes."""
    return _made(tmp_path_factory.mktemp("cpu") / "here", {})


@pytest.mark.parametrize("library", OLDEST)
def test_the_oldest_cpu_makes_the_same_images(here: str, tmp_path: Path, library: str) -> None:
    assert _made(tmp_path / "oldest", OLDEST[library]) == here
