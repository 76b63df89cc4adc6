"""How often `compare` calls a model worse that is equal, nearly the same, or really worse.

Predictions of planes are simulated: patients have one to five images, both models find the same patients
and images hard, and the verdict is the one on macro-F1, as in `sonotrace compare`.
"""

import argparse

import numpy as np
from numpy.typing import NDArray

from sonotrace.compare.paired import Difference, differences
from sonotrace.kinds.planes import PLANES
from sonotrace.scores.planes import scores

CASES = {
    "equal": (0.0, 0.0),
    "equal, and the same on nine of ten images": (0.0, 0.9),
    "wrong on 10 % more images": (0.1, 0.0),
    "wrong on 20 % more images": (0.2, 0.0),
}
"""Case -> how much less often the second model is right, and the share of images on which both predict the same."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--patients", type=int, nargs="+", default=[10, 30, 100])
    parser.add_argument("--count", type=int, default=1000, help="resamples, and swaps, per comparison")
    arguments = parser.parse_args()
    print(f"| second model, {arguments.runs} pairs each | patients | worse | better | interval below 0 |")
    print("| --- | --- | --- | --- | --- |")
    for name, (loss, same) in CASES.items():
        for patients in arguments.patients:
            random = np.random.default_rng(patients)
            pairs = [_compared(random, patients, loss, same, arguments.count, run) for run in range(arguments.runs)]
            worse, better = (np.mean([one.verdict == verdict for one in pairs]) for verdict in ("worse", "better"))
            below = np.mean([one.high < 0 for one in pairs])
            print(f"| {name} | {patients} | {worse:.1%} | {better:.1%} | {below:.1%} |", flush=True)


def _compared(
    random: np.random.Generator, patients: int, loss: float, same: float, count: int, seed: int
) -> Difference:
    ids = np.repeat(np.arange(patients), random.integers(1, 6, patients))
    truth = random.integers(0, len(PLANES), len(ids))
    easy = 0.85 + 0.1 * random.normal(size=patients)[ids] + 0.05 * random.normal(size=len(ids))
    probabilities = np.stack([_model(random, truth, easy - less) for less in (0, loss)])
    agreed = random.random(len(ids)) < same
    probabilities[1, agreed] = probabilities[0, agreed]

    def score(which: NDArray[np.int64], rows: NDArray[np.int64]) -> dict[str, float]:
        return {"macro_f1": scores(truth[rows], probabilities[which, rows], PLANES)["macro_f1"]}

    return differences(score, [str(one) for one in ids], count, seed)["macro_f1"]


def _model(random: np.random.Generator, truth: NDArray[np.int64], chance: NDArray[np.float64]) -> NDArray[np.float64]:
    right = random.random(len(truth)) < np.clip(chance, 0.02, 0.98)
    named = np.where(right, truth, (truth + random.integers(1, len(PLANES), len(truth))) % len(PLANES))
    raw = random.random((len(truth), len(PLANES))) + 2 * np.eye(len(PLANES))[named]
    return np.asarray(raw / raw.sum(axis=1, keepdims=True))


if __name__ == "__main__":
    main()
