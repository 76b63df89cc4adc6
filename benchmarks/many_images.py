"""Make eight images of each phantom image, by turning and mirroring it, for which drawing takes too long.

An image takes 9 ms of CPU to turn and write, and 40 to draw. Each orientation is that of another patient: 12,500 images
of 5,300 patients become 100,000 of 42,600.

    PYTHONPATH=src python benchmarks/many_images.py IMAGES_DIR INTO

IMAGES_DIR: images that the phantom source drew (`pull.planes.phantom.images`). The labels that go with the names are
not right for what is shown: these images are for measuring times, not models.
"""

import argparse
from pathlib import Path

import numpy as np
from measure import tell

from sonotrace.images.grey import read_grey, write_png
from sonotrace.labels.listing import images_below
from sonotrace.running.parallel import in_order

ORIENTATIONS = 8


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("images", type=Path, metavar="IMAGES_DIR")
    arguments.add_argument("into", type=Path, metavar="INTO")
    options = arguments.parse_args()
    options.into.mkdir(parents=True)

    def turn(path: Path) -> None:
        image = read_grey(path)
        patient, _, rest = path.name.removeprefix("Patient").partition("_")
        for number in range(ORIENTATIONS):
            turned = np.rot90(image, number % 4)
            mirrored = turned if number < 4 else turned[:, ::-1]
            write_png(np.ascontiguousarray(mirrored), options.into / f"Patient{number + 1}{patient}_{rest}")

    images = images_below(options.images)
    for done, _ in enumerate(in_order(turn, images), start=1):
        if done % 1000 == 0:
            tell(f"{done} of {len(images)}")


if __name__ == "__main__":
    main()
