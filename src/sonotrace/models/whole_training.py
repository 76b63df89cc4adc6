"""A training from images to a calibrated model file; `train_cnn` and `train_distilled` share it."""

from collections.abc import Sequence
from pathlib import Path

from sonotrace.errors import SonotraceError
from sonotrace.models import judging, training
from sonotrace.models.examples import Example
from sonotrace.params.prepare import PrepareOne
from sonotrace.params.train_cnn import TrainCnn
from sonotrace.places import METRICS, PLOTS
from sonotrace.running.outputs import write_json
from sonotrace.running.progress import epoch_log, say


def write_model(
    stage: str,
    data_set: str,
    train: Sequence[Example],
    val: Sequence[Example],
    names: Sequence[str],
    params: TrainCnn,
    preparation: PrepareOne,
    path: Path,
) -> None:
    """Train on `train`, keep the epoch that validates best on `val`, calibrate it there, and write the model to `path`.

    Also writes its validation scores, to `metrics/<name of the model>_validation.json`, and the loss and accuracy
    of each epoch, to `plots/<stage>/<data set>`. Raises SonotraceError where a side has no images.
    """
    if not train or not val:
        raise SonotraceError(
            f"{data_set}: {len(train)} training and {len(val)} validation images; bring more patients or "
            f"change split.{data_set}.salt"
        )
    training.start(data_set, params)
    from sonotrace.models.files import write_keras

    say(f"{stage}: {params.architecture} net, {len(train)} images, {params.epochs} epochs")
    with epoch_log(PLOTS / stage / data_set) as log:
        made = training.trained(stage, data_set, train, names, params, preparation, val=val, log=log)
    write_json(made.validation, METRICS / f"{path.stem}_validation.json")
    judged = judging.fit(stage, data_set, made.model, train, val, names)
    stated = training.entry(names, params, preparation) | {"judgement": judged.entry()}
    write_keras(made.model, stated, path, judged.arrays())
