"""How long each architecture trains until it is right: `benchmarks/minutes_to_accuracy.py OFFICIAL.csv [NET ...]`.

Run it in a checkout whose `data/planes/split` holds real images; OFFICIAL.csv is FETAL_PLANES_DB's table. Each net
learns from four fifths of the patients with the settings that `sonotrace use` sets, as `train_cnn` trains, and is asked
about the last fifth after each epoch, by the official labels. Prepared images and copies are made before the clock
starts, as the pipeline has them; decoding, compiling and the questions count. Prints a Markdown table: after which
epoch, and after how many minutes, a net is right on 97 %; the accuracy after its last epoch.

With KERAS_BACKEND=torch or jax it uses that, and a GPU where there is one.
"""

import argparse
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from measure import print_table, tell
from plane_experiments import FIFTHS, SHIPPED, augmentation, images

from sonotrace.images.augmentation import apply_to_image, draw
from sonotrace.images.grey import STORED, write_png
from sonotrace.images.packs import Part
from sonotrace.kinds.planes import PLANES, plane_of
from sonotrace.models.examples import Example
from sonotrace.own_images.presets import REAL
from sonotrace.params import load
from sonotrace.params.prepare import PrepareOne
from sonotrace.params.train_cnn import TrainCnn
from sonotrace.patients.folds import fold_of
from sonotrace.running.parallel import available_cores
from sonotrace.tables import read_table

ENOUGH = 0.97


class Clock:
    """Takes the place of a stage's log of epochs: notes the accuracy after each, and when."""

    def __init__(self) -> None:
        self.start = time.perf_counter()
        self.right: list[float] = []
        self.minutes: list[float] = []

    def log_metric(self, name: str, value: float) -> None:
        """Take a figure of an epoch."""
        if name == "val/accuracy":
            self.right.append(value)
            self.minutes.append((time.perf_counter() - self.start) / 60)

    def next_step(self) -> None:
        """Take the end of an epoch."""


def examples_of(table: pd.DataFrame, shown: np.ndarray, labels: list[str], copies: int, into: Path) -> list[Example]:
    """Write prepared images and their copies, and return them as `train_cnn` takes them."""
    changes = augmentation(SHIPPED)

    def write(at: int) -> Example:
        views = [Part(into / f"{at}_{copy}.png") for copy in range(copies + 1)]
        for copy, view in enumerate(views):
            image = shown[at]
            if copy:
                image = apply_to_image(image, draw(changes, table["sha256"].iloc[at], copy, SHIPPED.size, SHIPPED.size))
            write_png(image, view.file, STORED)
        return Example(views, labels[at])

    with ThreadPoolExecutor(available_cores()) as pool:
        return list(pool.map(write, range(len(table))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("official", type=Path)
    parser.add_argument("nets", nargs="*", default=["efficientnet_lite0", "efficientnet_lite2", "residual"])
    parser.add_argument("--fold", type=int, default=1)
    parser.add_argument("--threads", type=int, default=available_cores())
    given = parser.parse_args()
    from sonotrace.models import training

    values, preset = load().train_cnn["planes"].model_dump(), REAL["planes"]
    values |= {key.removeprefix("train_cnn."): value for key, value in preset.items() if key.startswith("train_cnn.")}
    values |= {"threads": given.threads, "device": "auto"}
    training.start("planes", TrainCnn.model_validate(values))
    split = read_table(Path("data/planes/split/split.csv"))
    split = split[split["side"] != "test"].reset_index(drop=True)
    official = pd.read_csv(given.official, sep=";").rename(columns=str.strip).set_index("Image_name")
    truth = [plane_of(plane) or "" for plane in official.loc[split["image"]]["Plane"]]
    own = np.array([fold_of(patient, load().split["planes"].salt, FIFTHS) for patient in split["patient"]])
    shown = images(split, SHIPPED)
    preparation = PrepareOne.model_validate(
        {"width": SHIPPED.size, "height": SHIPPED.size, "aspect": SHIPPED.aspect, "mask_overlays": False}
    )
    with tempfile.TemporaryDirectory() as work:
        sides = {}
        for side, rows in (("train", np.flatnonzero(own != given.fold)), ("val", np.flatnonzero(own == given.fold))):
            labels = [split["label"][at] if side == "train" else truth[at] for at in rows]
            copies = int(preset["augment.copies"]) if side == "train" else 0
            (Path(work) / side).mkdir()
            table = split.iloc[rows].reset_index(drop=True)
            sides[side] = examples_of(table, shown[rows], labels, copies, Path(work) / side)
        found = []
        for net in given.nets:
            params = TrainCnn.model_validate(
                values | {"architecture": net} | ({} if net.startswith("eff") else {"weights": "none"})
            )
            training.start_anew(params.seed)
            clock = Clock()
            training.trained("time", "planes", sides["train"], PLANES, params, preparation, val=sides["val"], log=clock)
            epoch = next((at for at, right in enumerate(clock.right) if right >= ENOUGH), None)
            cells = ("-", "-") if epoch is None else (epoch + 1, f"{clock.minutes[epoch]:.2f}")
            found.append((net, *cells, f"{clock.minutes[-1]:.2f}", f"{100 * clock.right[-1]:.1f}"))
            tell(str(found[-1]))
    setting = f"{len(sides['train'])} images, {params.epochs} epochs, asked about {len(sides['val'])}"
    print_table([setting, f"{ENOUGH:.0%} after epoch", "minutes to there", "minutes in all", "accuracy, %"], found)


if __name__ == "__main__":
    main()
