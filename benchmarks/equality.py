"""Do the ONNX files say what the models say that they were made of? On any images, prepared as the models state.

Run it in a checkout in which `export_onnx` has run. Prints the largest difference of all answers:
probabilities of planes, scope, places of all candidate boxes as a share of the frame, and their confidences.

    PYTHONPATH=src python benchmarks/equality.py IMAGES [planes | structures]
"""

import argparse
from pathlib import Path

import numpy as np

from sonotrace.images.grey import read_grey
from sonotrace.labels.listing import images_below
from sonotrace.models.classifier import PlaneNet
from sonotrace.models.files import private_copy, read_yolo_entry
from sonotrace.params import load
from sonotrace.places import onnx_model
from sonotrace.portable.form import BOXES
from sonotrace.portable.reading import Fit, PortableClassifier, PortableNet
from sonotrace.running import environment

BATCH = 16


def planes(content: bytes, path: Path, portable: bytes, files: list[Path]) -> None:
    native, ours = PlaneNet(content, path), PortableClassifier(portable, path)
    apart, same = {"probabilities": 0.0, "scope": 0.0}, 0
    for at in range(0, len(files), BATCH):
        images = [ours.preparation.apply(read_grey(file)) for file in files[at : at + BATCH]]
        one, other = native.answers(np.stack(images)[..., None].astype(np.float32)), ours.answers(images)
        same += int((one.probabilities.argmax(1) == other.probabilities.argmax(1)).sum())
        apart = {
            name: max(before, float(np.nanmax(np.abs(getattr(one, name) - getattr(other, name)), initial=0)))
            for name, before in apart.items()
        }
    print(f"{path}: {len(files)} images, {same} with the same plane; largest differences {_words(apart)}")


def detector(content: bytes, path: Path, portable: bytes, files: list[Path]) -> None:
    from sonotrace.portable import structures  # PyTorch does not go beside TensorFlow

    read_yolo_entry(content, path)
    ours = PortableNet(portable, path)
    with private_copy(content, path.with_suffix(".pt")) as copy:
        net = structures.Grey(environment.quiet_ultralytics()(copy, task="detect").model)
    fit = Fit(ours.preparation, ours.height, ours.width)
    apart = {"places": 0.0, "confidences": 0.0}
    for at in range(0, len(files), BATCH):
        frames = [fit.apply(ours.preparation.apply(read_grey(file))) for file in files[at : at + BATCH]]
        one, (other,) = structures.native(net, np.stack(frames)), ours.run(frames, BOXES)
        places = np.abs(one[:, :4] - other[:, :4]).max() / max(ours.height, ours.width)
        apart["places"] = max(apart["places"], float(places))
        apart["confidences"] = max(apart["confidences"], float(np.abs(one[:, 4:] - other[:, 4:]).max()))
    print(f"{path}: {len(files)} images; largest differences {_words(apart)}")


def _words(apart: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.1g}" for name, value in apart.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("data_set", nargs="?", default="planes")
    given = parser.parse_args()
    environment.isolate()
    environment.use_device("cpu")
    params, files = load(), images_below(given.images)
    path = Path(params.export_onnx[given.data_set].model)
    compare = detector if params.kind(given.data_set).has_boxes else planes
    compare(path.read_bytes(), path, onnx_model(given.data_set).read_bytes(), files)


if __name__ == "__main__":
    main()
