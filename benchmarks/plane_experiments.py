"""Compare ways to train the plane classifier: `python benchmarks/plane_experiments.py OFFICIAL.csv NAME ...`.

Run it in a checkout whose `data/planes/split` holds real images. OFFICIAL.csv is FETAL_PLANES_DB's table: what is
learned is the labels of the split, what counts are those of the table. NAMEs are keys of TRIALS; without any, all.

To tell ways apart that make few errors, each net learns from one fifth of the patients only and is asked about the
other four fifths (of the train and val sides), image and mirror image averaged. `--folds 1 2 3` says which fifths.
With `--by-scanner`, each net learns from all scanners but one instead, and is asked about that one. Each image is
changed anew in each epoch. Prints one JSON line a training, and leaves its answers in `experiments/`; `--table` prints
Markdown tables of all answers there, differences paired by patient with 95 % bootstrap intervals.
"""

import argparse
import json
import os
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sonotrace.images.augmentation import apply_to_image, draw
from sonotrace.images.grey import read_grey
from sonotrace.images.overlays import CHANGES
from sonotrace.images.preparation import Preparation
from sonotrace.kinds.planes import plane_of
from sonotrace.own_images.presets import REAL
from sonotrace.params import load
from sonotrace.params.augment import AugmentOne
from sonotrace.patients.folds import fold_of, fold_of_group
from sonotrace.patients.folds import groups as groups_of
from sonotrace.running import environment
from sonotrace.sources.phantom import snapshot
from sonotrace.tables import read_table

ANSWERS = Path("experiments")
FIFTHS = 5
DRAWN = 600
"""Planes, for `--pretrain`."""


@dataclass(frozen=True)
class Trial:
    """One way to train. The default is what `sonotrace use` set for real images before these experiments."""

    architecture: str = "efficientnet_lite0"
    size: int = 224
    aspect: str = "stretch"
    mask_overlays: bool = False
    epochs: int = 16
    rate: float = 0.0005
    seed: int = 1
    strength: float = 1.0
    """Of the augmentation: its limits are multiplied by it."""
    policy: str = "limits"
    """Or `trivial`: TrivialAugment (Mueller & Hutter 2021) in place of ours."""
    exchange: float = 0.0
    """Share of the images whose overlays are replaced by another training image's."""
    mixup: float = 0.0
    """Alpha of the beta distribution."""
    average: float = 0.0
    """Momentum of the running mean of the weights, which is the net that is asked."""
    frozen_blocks: int = 0
    """Blocks from the image on that keep the published weights."""
    fitted: bool = False
    """The last layer begins as a logistic regression on the published features."""
    frozen_epochs: int = 0
    """Epochs in which only the last layer learns, before all do."""
    decay: float = 1.0
    """Factor of the rate from each block to the one before."""
    norm_trained: bool = False
    loss: str = "cross-entropy"
    pretrained: str = ""
    """A .npz of weights in place of the published ones, made by `--pretrain`."""


BASE = Trial()
TRIALS = {
    "default": BASE,
    "8 epochs": replace(BASE, epochs=8),
    "TrivialAugment, 8 epochs": replace(BASE, epochs=8, policy="trivial"),
    "letterbox, 8 epochs": replace(BASE, epochs=8, aspect="letterbox"),
    "seed 2": replace(BASE, seed=2),
    "weights averaged": replace(BASE, average=0.95),
    "mixup": replace(BASE, mixup=0.2),
    "last layer fitted": replace(BASE, fitted=True),
    "last layer fitted, 8 epochs": replace(BASE, fitted=True, epochs=8),
    "last layer fitted, letterbox": replace(BASE, fitted=True, aspect="letterbox"),
    "last layer fitted, TrivialAugment": replace(BASE, fitted=True, policy="trivial"),
    "last layer fitted, TrivialAugment, letterbox": replace(BASE, fitted=True, policy="trivial", aspect="letterbox"),
    "last layer fitted, phantom first": replace(BASE, fitted=True, pretrained="experiments/phantom.weights.npz"),
    "head first": replace(BASE, frozen_epochs=3),
    "half frozen": replace(BASE, frozen_blocks=8),
    "layer-wise rates": replace(BASE, decay=0.85),
    "rate 0.001": replace(BASE, rate=0.001),
    "letterbox": replace(BASE, aspect="letterbox"),
    "overlays masked": replace(BASE, mask_overlays=True),
    "overlays exchanged": replace(BASE, exchange=0.5),
    "TrivialAugment": replace(BASE, policy="trivial"),
    "TrivialAugment, letterbox": replace(BASE, policy="trivial", aspect="letterbox"),
    "half the augmentation": replace(BASE, strength=0.5),
    "generalised cross-entropy": replace(BASE, loss="generalised"),
    "288 px": replace(BASE, size=288),
    "Lite2, 224 px": replace(BASE, architecture="efficientnet_lite2"),
    "batch norm trained": replace(BASE, norm_trained=True),
    "phantom first": replace(BASE, pretrained="experiments/phantom.weights.npz"),
}
SHIPPED = TRIALS["last layer fitted"]
"""What `sonotrace use` sets for real images."""


def images(table: pd.DataFrame, trial: Trial) -> np.ndarray:
    prepare = Preparation(trial.size, trial.size, trial.aspect, trial.mask_overlays)
    return np.stack([prepare.apply(read_grey(Path("data/planes/pull/images") / file)) for file in table["file"]])


def augmentation(trial: Trial) -> AugmentOne:
    values = load().augment["planes"].model_dump()
    values |= {
        key.removeprefix("augment."): value for key, value in REAL["planes"].items() if key.startswith("augment.")
    }
    for key in ("shift", "zoom", "stretch", "blur", "brightness", "contrast", "gamma", "speckle", "blank", "border"):
        values[key] *= trial.strength
    values |= {"rotation": [0, 30 * trial.strength], "policy": trial.policy}
    return AugmentOne(**values)


def net(trial: Trial, names: list[str], steps: int) -> Any:
    import keras
    from keras import layers

    from sonotrace.models import cnn
    from sonotrace.models.weights import load_imagenet

    keras.backend.clear_session()
    keras.utils.set_random_seed(trial.seed)
    model = cnn.net(trial.architecture, trial.size, trial.size, len(names))
    load_imagenet(model, "train_cnn.planes")
    if trial.pretrained:
        kept = np.load(trial.pretrained)
        last = model.layers[-1].get_weights()
        model.set_weights([kept[key] for key in kept.files])
        model.layers[-1].set_weights(last)
    for layer in model.layers:
        early = layer.name.startswith("stem") or any(
            layer.name.startswith(f"block{block}_") for block in range(trial.frozen_blocks)
        )
        norm = isinstance(layer, layers.BatchNormalization) and not trial.norm_trained
        layer.trainable = not (norm or (early and trial.frozen_blocks > 0))
    return compiled(model, trial, steps)


def compiled(model: Any, trial: Trial, steps: int) -> Any:
    import keras

    from sonotrace.models import cnn

    factors: dict[int, float] = {}
    for layer in model.layers:
        block = layer.name.removeprefix("block").partition("_")[0]
        depth = int(block) if block.isdigit() else (-1 if layer.name.startswith("stem") else 16)
        for (
            variable
        ) in layer.trainable_variables:  # optimizers of TensorFlow are given the value, of others the variable
            factors[id(variable)] = factors[id(variable.value)] = trial.decay ** (16 - depth)

    class ByDepth(keras.optimizers.AdamW):  # type: ignore[misc]
        """AdamW whose rate falls from the last block to the first."""

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            super().update_step(gradient, variable, learning_rate * factors[id(variable)])

    optimizer = ByDepth(
        cnn.cosine(trial.rate, steps),
        weight_decay=cnn.WEIGHT_DECAY[model.name],
        use_ema=trial.average > 0,
        ema_momentum=trial.average or 0.99,
        ema_overwrite_frequency=None,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    loss: Any = keras.losses.CategoricalCrossentropy(label_smoothing=cnn.LABEL_SMOOTHING)
    if trial.loss == "generalised":  # Zhang & Sabuncu 2018

        def loss(truth: Any, said: Any) -> Any:
            held = keras.ops.clip(keras.ops.sum(truth * said, axis=-1), 1e-7, 1)
            return (1 - held**0.5) / 0.5

    model.compile(optimizer=optimizer, loss=loss)
    return model


def train(
    trial: Trial, shown: np.ndarray, rows: np.ndarray, labels: np.ndarray, keys: list[str], names: list[str]
) -> Any:
    params, random = augmentation(trial), np.random.default_rng(trial.seed)
    batch = 32
    per_epoch = len(rows) // batch
    model = net(trial, names, per_epoch * trial.epochs)
    one_hot = np.eye(len(names), dtype=np.float32)
    if trial.fitted:
        from sonotrace.models import last_layer

        parts = np.split(shown[rows, ..., None].astype(np.float32), range(32, len(rows), 32))
        last_layer.fit(model, parts, [names[label] for label in labels[rows]], names)
    if trial.frozen_epochs:
        whole = {layer.name: layer.trainable for layer in model.layers}
        for layer in model.layers[:-1]:
            layer.trainable = False
        compiled(model, replace(trial, rate=0.003), per_epoch * trial.frozen_epochs)
    for epoch in range(trial.epochs + trial.frozen_epochs):
        if trial.frozen_epochs and epoch == trial.frozen_epochs:
            for layer in model.layers:
                layer.trainable = whole[layer.name]
            compiled(model, trial, per_epoch * trial.epochs)
        order = random.permutation(rows)
        for step in range(per_epoch):
            chosen = order[step * batch : (step + 1) * batch]
            batch_images = []
            for at in chosen:
                image = shown[at]
                if random.random() < trial.exchange:
                    image = CHANGES["overlays_exchanged"](image, shown[random.choice(rows)])
                image = apply_to_image(image, draw(params, keys[at], epoch + 1, trial.size, trial.size))
                batch_images.append(image)
            x, y = np.stack(batch_images)[..., None].astype(np.float32), one_hot[labels[chosen]]
            if trial.mixup:
                share = np.float32(random.beta(trial.mixup, trial.mixup))
                x, y = share * x + (1 - share) * x[::-1], share * y + (1 - share) * y[::-1]
            model.train_on_batch(x, y)
    if trial.average:
        model.optimizer.finalize_variable_values(model.trainable_variables)
    return model


def ask(model: Any, shown: np.ndarray) -> np.ndarray:
    found = []
    for at in range(0, len(shown), 32):
        x = shown[at : at + 32, ..., None].astype(np.float32)
        found.append((model.predict_on_batch(x) + model.predict_on_batch(x[:, :, ::-1])) / 2)
    return np.concatenate(found)


def run(name: str, official: pd.DataFrame, groups: list[int], *, by_scanner: bool) -> None:
    trial = TRIALS[name]
    table = read_table(Path("data/planes/split/split.csv"))
    table = table[table["side"] != "test"].reset_index(drop=True)
    facts = official.set_index("Image_name").loc[table["image"]]
    names = sorted(table["label"].unique())
    labels = np.array([names.index(label) for label in table["label"]])
    truth = np.array([names.index(plane_of(plane) or "") for plane in facts["Plane"]])
    own = np.array([fold_of(patient, load().split["planes"].salt, FIFTHS) for patient in table["patient"]])
    if by_scanner:
        scanners = sorted(facts["US_Machine"].unique())
        first = groups_of(zip(table["patient"], facts["US_Machine"], strict=True))
        own = np.array([fold_of_group(first[patient], first.values()) for patient in table["patient"]])
        groups = [group for group in groups if group <= len(scanners)]
    shown = images(table, trial)
    ANSWERS.mkdir(exist_ok=True)
    patients = table["patient"].to_numpy(dtype=str)
    for group in groups:
        start = time.perf_counter()
        learned = np.flatnonzero((own == group) != by_scanner)
        others = np.flatnonzero((own == group) == by_scanner)
        model = train(trial, shown, learned, labels, list(table["sha256"]), names)
        minutes = (time.perf_counter() - start) / 60
        answers = ask(model, shown[others])
        right = answers.argmax(1) == truth[others]
        what = {"name": name, "group": group, "learned": len(learned), "asked": len(others)}
        if by_scanner:
            what["scanner"] = scanners[group - 1]
        print(json.dumps(what | {"accuracy": round(float(right.mean()), 4), "minutes": round(minutes, 1)}), flush=True)
        path = ANSWERS / f"{name}, {f'not {scanners[group - 1]}' if by_scanner else group}.npz"
        asked = np.stack([np.full(len(others), group), others], axis=1)
        np.savez(path, said=answers, asked=asked, truth=truth, patients=patients, minutes=minutes)


def pretrain() -> None:
    """Draw planes, train the default net on them, and keep its weights."""
    drawn = ANSWERS / "phantom"
    shutil.rmtree(drawn, ignore_errors=True)
    drawn.mkdir(parents=True)
    params = {"images": DRAWN, "seed": 7}
    snapshot("planes", Path("data/phantom/planes"), params, drawn, environment.threads(), lambda _: None)
    table = pd.read_csv(drawn / "image_label.csv")
    files = [drawn / "images" / f"{name}.png" for name in table["Image_name"]]
    names = sorted(set(table["Plane"]))
    prepare = Preparation(224, 224, "stretch", mask_overlays=False)
    shown = np.stack([prepare.apply(read_grey(file)) for file in files])
    labels = np.array([names.index(label) for label in table["Plane"]])
    trial = replace(BASE, epochs=4)
    model = train(trial, shown, np.arange(len(files)), labels, [file.name for file in files], names)
    np.savez(TRIALS["phantom first"].pretrained, *model.get_weights())


def show() -> None:
    """Print the table of the nets that learned from a fifth each, then that of those which left a scanner out."""
    print("| what | accuracy, % | by net, % | log loss | less accuracy than the default, points | minutes |")
    print("| --- | --- | --- | --- | --- | --- |")
    reference = answers_of("default")
    for name in TRIALS:
        found = answers_of(name)
        groups = sorted(set(found) & set(reference))
        if not groups:
            continue
        parts = [right_and_loss(found[group]) for group in groups]
        right, loss, patients = (np.concatenate(column) for column in zip(*parts, strict=True))
        base = np.concatenate([right_and_loss(reference[group])[0] for group in groups])
        low, high = interval(100 * (base.astype(float) - right), patients)
        nets = ", ".join(f"{100 * one[0].mean():.1f}" for one in parts)
        difference = 100 * (base.mean() - right.mean())
        paired = "" if name == "default" else f"{difference:+.2f} [{low:+.2f}, {high:+.2f}]"
        minutes = np.mean([found[group]["minutes"] for group in groups])
        print(f"| {name} | {100 * right.mean():.2f} | {nets} | {loss.mean():.3f} | {paired} | {minutes:.1f} |")
    print("\n| what | scanner left out | n | accuracy, % |\n| --- | --- | --- | --- |")
    for file in sorted(ANSWERS.glob("*, not *.npz")):
        name, scanner = file.stem.split(", not ")
        right, _, patients = right_and_loss(np.load(file))
        low, high = interval(100 * right.astype(float), patients)
        print(f"| {name} | {scanner} | {len(right)} | {100 * right.mean():.1f} [{low:.1f}, {high:.1f}] |")


def answers_of(name: str) -> dict[int, Any]:
    files = [(group, ANSWERS / f"{name}, {group}.npz") for group in range(1, FIFTHS + 1)]
    return {group: np.load(file) for group, file in files if file.exists()}


def interval(values: np.ndarray, patients: np.ndarray) -> tuple[float, float]:
    """95 % bootstrap interval over patients of the mean of `values`."""
    by_patient = pd.DataFrame({"patient": patients, "value": values}).groupby("patient")["value"]
    sums, counts = by_patient.sum().to_numpy(), by_patient.count().to_numpy()
    draws = np.random.default_rng(1).integers(0, len(sums), (2000, len(sums)))
    low, high = np.percentile(sums[draws].sum(1) / counts[draws].sum(1), [2.5, 97.5])
    return float(low), float(high)


def right_and_loss(found: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Right or not, loss at the best single temperature, and patient of each answer of one net."""
    at = found["asked"][:, 1]
    truth = found["truth"][at]
    logits = np.log(np.clip(found["said"], 1e-12, 1))
    losses = []
    for temperature in np.geomspace(0.2, 3, 60):
        scaled = logits / temperature
        scaled -= np.log(np.exp(scaled).sum(1, keepdims=True))
        losses.append(-scaled[np.arange(len(truth)), truth])
    return found["said"].argmax(1) == truth, min(losses, key=np.mean), found["patients"][at]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("official", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--folds", type=int, nargs="+", default=[1, 2, 3], help="or scanners, in alphabetical order")
    parser.add_argument("--by-scanner", action="store_true")
    parser.add_argument("--pretrain", action="store_true")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    if given.table:
        show()
        return
    environment.isolate()
    environment.use_threads(given.threads)
    if os.environ["KERAS_BACKEND"] == "tensorflow":
        environment.let_tensorflow_sleep()
    if given.pretrain:
        pretrain()
    official = pd.read_csv(given.official, sep=";").rename(columns=str.strip)
    for name in given.names or list(TRIALS):
        run(name, official, given.folds, by_scanner=given.by_scanner)


if __name__ == "__main__":
    main()
