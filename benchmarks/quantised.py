"""Is the ONNX form what the native net says on real images, and what do 8-bit weights and activations cost and give?

Run it in a checkout whose folds were trained on real planes (docs/folds.md). Each net of a fold is asked about the
images that it has not seen: in Keras, as ONNX, and as ONNX in 8 bit, which `export_onnx` makes with `bits: 8`. Prints
the largest difference of native and ONNX answers, accuracies, the difference of 32 and 8 bit with a 95 % interval over
patients, sizes, and images a second of both, in turns.

    PYTHONPATH=src python benchmarks/quantised.py [--data-set planes]
"""

import argparse
import time

import numpy as np
import onnx

from sonotrace.images.grey import Grey
from sonotrace.images.packs import stored_in
from sonotrace.models.classifier import PlaneNet
from sonotrace.models.files import read_keras
from sonotrace.models.judgement import Judgement
from sonotrace.params import load
from sonotrace.patients.folds import fold_of
from sonotrace.places import fold_model, folder
from sonotrace.portable.planes import graph_of
from sonotrace.portable.quantised import quantised
from sonotrace.portable.reading import PortableClassifier
from sonotrace.portable.writing import to_bytes
from sonotrace.running import environment
from sonotrace.stages.export_onnx import CALIBRATION
from sonotrace.tables import read_table

BATCH = 16


def asked(net: PortableClassifier, images: list[Grey]) -> np.ndarray:
    parts = (images[at : at + BATCH] for at in range(0, len(images), BATCH))
    return np.concatenate([net.answers(part).probabilities for part in parts])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-set", default="planes")
    given = parser.parse_args()
    environment.isolate()
    environment.use_threads(1)
    params = load()
    table = read_table(folder(given.data_set, "split") / "split.csv")
    table = table[table["side"] != "test"].reset_index(drop=True)
    salt, count = params.split[given.data_set].salt, len(params.folds.numbers)
    own = np.array([fold_of(patient, salt, count) for patient in table["patient"]])
    prepared = stored_in(folder(given.data_set, "prepare") / "images")
    images = [prepared[image].read() for image in table["image"]]
    right: dict[str, list[np.ndarray]] = {"float": [], "8 bit": []}
    seconds: dict[str, float] = {"float": 0.0, "8 bit": 0.0}
    order, apart, changed, sizes = [], 0.0, [], {}
    for fold in params.folds.numbers:
        path = fold_model(given.data_set, fold, params.folds.seeds[0])
        content = path.read_bytes()
        net, entry, arrays = read_keras(content, path)
        judgement = Judgement.read(entry.get("judgement", {}), arrays)
        stated = {"planes": list(entry["planes"]), "certain": 0.8, **judgement.entry(), "prepare": entry["prepare"]}
        made = to_bytes(graph_of(net, judgement), stated)
        held_out = np.flatnonzero(own == fold)
        seen = np.random.default_rng(fold).permutation(np.flatnonzero(own != fold))[:CALIBRATION]
        graph = onnx.load_from_string(made)
        small = to_bytes(quantised(graph, [images[at] for at in seen]), stated)
        shown = [images[at] for at in held_out]
        native = PlaneNet(content, path).answers(np.stack(shown)[..., None].astype(np.float32)).probabilities
        labels = np.array([entry["planes"].index(label) for label in table["label"][held_out]])
        said = {}
        for name, form in (("float", made), ("8 bit", small)):
            portable = PortableClassifier(form, path)
            start = time.perf_counter()
            said[name] = asked(portable, shown)
            seconds[name] += time.perf_counter() - start
            sizes[name] = len(form) / 1e6
            right[name].append(said[name].argmax(1) == labels)
        apart = max(apart, float(np.abs(native - said["float"]).max()))
        changed.append(np.abs(said["8 bit"] - said["float"]).max(1))
        order.append(held_out)
        print(
            f"fold {fold}: " + ", ".join(f"{name} {100 * right[name][-1].mean():.1f} %" for name in right), flush=True
        )
    hits = {name: np.concatenate(parts).astype(float) for name, parts in right.items()}
    patients = table["patient"].to_numpy()[np.concatenate(order)]
    _, code = np.unique(patients, return_inverse=True)
    sums = np.bincount(code, hits["8 bit"] - hits["float"])
    counts = np.bincount(code)
    draws = np.random.default_rng(1).integers(0, len(sums), (2000, len(sums)))
    low, high = 100 * np.percentile(sums[draws].sum(1) / counts[draws].sum(1), [2.5, 97.5])
    print(f"native and ONNX, {len(code)} images: probabilities differ by {apart:.1g} at most")
    for name, hit in hits.items():
        print(
            f"{name}: {100 * hit.mean():.2f} % as labelled, {sizes[name]:.1f} MB, "
            f"{len(code) / seconds[name]:.0f} images/s on one thread"
        )
    print(
        f"8 bit less float: {100 * (hits['8 bit'] - hits['float']).mean():+.2f} points [{low:+.2f}, {high:+.2f}]; "
        f"probabilities differ by {np.median(np.concatenate(changed)):.3f} in the median, "
        f"{np.concatenate(changed).max():.2f} at most"
    )


if __name__ == "__main__":
    main()
