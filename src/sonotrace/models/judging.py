"""Fit a judgement: how sure a trained net may be, and how far an image may be from those it learned from."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonotrace.models.calibration import LEAST_IMAGES, fit_temperature
from sonotrace.models.examples import Example, stack
from sonotrace.models.judgement import Judgement, Outputs, outputs_of, two_outputs
from sonotrace.models.refusal import Scope, threshold
from sonotrace.running.progress import native_noise_hidden, say

BATCH = 32
_DECIMALS = 5
"""Of the limit."""


def fit(
    stage: str, data_set: str, model: Any, train: Sequence[Example], val: Sequence[Example], names: Sequence[str]
) -> Judgement:
    """Fit the temperature and the limit on `val`, the scope on `train`, and say on one line what is doubtful.

    Both are shown as prepared, without augmentation. `names` are the classes in the order of the outputs.
    With fewer validation images than `calibration.LEAST_IMAGES` nothing is fitted.
    """
    least, remedy = LEAST_IMAGES, f"raise split.{data_set}.fractions.val or bring more patients"
    if len(val) < least:
        say(
            f"warning: {data_set}: {len(val)} validation images, fewer than {least}: probabilities stay uncalibrated "
            f"and no image is refused; {remedy}"
        )
        return Judgement()
    net = two_outputs(model)
    seen, held_out = (_outputs_of_examples(net, side) for side in (train, val))
    labels = _numbers(val, names)
    if (held_out.probabilities.argmax(axis=1) == labels).all():
        say(
            f"warning: {data_set}: no error among {len(val)} validation images: probabilities are calibrated as if one "
            f"more image could be of any class; for a better estimate {remedy}"
        )
    temperature = fit_temperature(held_out.probabilities, labels)
    scope = Scope.fit(seen.features, *model.layers[-1].get_weights())
    limit = round(threshold(scope.score(held_out.features)), _DECIMALS)
    say(f"{stage}: temperature {temperature:.3f}, limit of the scope {limit:.3f}, from {len(val)} images")
    return Judgement(temperature, scope, limit)


def _numbers(side: Sequence[Example], names: Sequence[str]) -> NDArray[np.int64]:
    return np.array([names.index(example.label) for example in side], dtype=np.int64)


def _outputs_of_examples(net: Any, side: Sequence[Example]) -> Outputs:
    with native_noise_hidden():  # TensorFlow warns that this net is a new one
        parts = [
            outputs_of(net, stack([example.views[0] for example in side[at : at + BATCH]]))
            for at in range(0, len(side), BATCH)
        ]
    return Outputs(
        np.concatenate([part.features for part in parts]), np.concatenate([part.probabilities for part in parts])
    )
