"""The labels that confident predictions contradict come first."""

import numpy as np
import pandas as pd
import pytest

from sonotrace.audit.labels import ranked
from sonotrace.kinds.planes import PLANES


def _audit(count, wrong, names=PLANES, seed=0):
    """Predict `count` planes well, and label those at `wrong` as the next plane."""
    random = np.random.default_rng(seed)
    truth = random.permutation(np.arange(count) % len(names))
    probabilities = random.dirichlet(np.ones(len(names)), count) * 0.3 + np.eye(len(names))[truth] * 0.7
    probabilities[wrong] = 0.01 + 0.96 * np.eye(len(names))[truth[wrong]]
    given = truth.copy()
    given[wrong] = (truth[wrong] + 1) % len(names)
    table = pd.DataFrame(
        {
            "image": [f"{number:03}" for number in range(count)],
            "side": "train",
            "labelled_by": [f"labels.csv:{number + 2}" for number in range(count)],
            "label": [names[index] for index in given],
        }
    )
    return table, probabilities.round(6), [names[index] for index in truth]


@pytest.mark.parametrize("names", [PLANES, ("brain", "femur")])
def test_planted_wrong_labels_come_first_and_are_suspected(names):
    wrong = [3, 50, 77, 110]
    table, probabilities, truth = _audit(120, wrong, names)
    found = ranked(table, names, probabilities)
    assert list(found["rank"]) == list(range(1, 121))
    assert set(found["image"][:4]) == {f"{number:03}" for number in wrong}
    assert set(found.loc[found["suspected"] == "true", "image"]) == set(found["image"][:4])
    for row in found[:4].itertuples():
        assert row.suggested == truth[int(row.image)] != row.label
        assert row.labelled_by == f"labels.csv:{int(row.image) + 2}"


def test_the_score_is_the_probability_of_the_given_label_and_falls_with_the_rank():
    table, probabilities, _ = _audit(60, [1, 2])
    found = ranked(table, PLANES, probabilities)
    assert found["score"].is_monotonic_increasing
    assert [row[row["label"]] for _, row in found.iterrows()] == list(found["score"])
    by_image = found.set_index("image").loc[table["image"], list(PLANES)]
    assert (by_image.to_numpy() == probabilities).all()


def test_labels_that_all_predictions_share_are_not_suspected():
    table, probabilities, _ = _audit(60, [])
    assert set(ranked(table, PLANES, probabilities)["suspected"]) == {"false"}


def test_the_order_of_the_rows_changes_nothing():
    table, probabilities, _ = _audit(60, [5, 6])
    order = np.random.default_rng(1).permutation(60)
    again = ranked(table.iloc[order].reset_index(drop=True), PLANES, probabilities[order])
    pd.testing.assert_frame_equal(again, ranked(table, PLANES, probabilities))
