"""train_yolo_fold: train the structure detector without one fold of patients, and ask it about them.

Needs what `train_yolo` needs; leaves, for fold k and seed s, `models/folds/<data set>/k-s.pt`, and `predictions.csv` in
`data/<data set>/folds/k-s`: the boxes that this net finds in images of the fold, none of whose patients it has seen.
The last epoch is kept, since the fold must not choose one.
"""

from sonotrace.images.packs import stored_in
from sonotrace.models import yolo
from sonotrace.models.definitions import net_definition
from sonotrace.models.detector import load as load_detector
from sonotrace.models.detector import predictions
from sonotrace.params import load
from sonotrace.patients.folds import with_folds, without
from sonotrace.places import fold_model, fold_predictions, folder
from sonotrace.running import environment
from sonotrace.running.outputs import scratch, write_csv
from sonotrace.running.progress import say
from sonotrace.tables import read_table


def run(data_set: str, fold: int, seed: int) -> None:
    """Train on all folds of `data_set` but `fold`, with `seed` instead of the one of `train_yolo`."""
    everything = load()
    params = everything.train_yolo[data_set].model_copy(update={"seed": seed})
    preparation, by = everything.prepare[data_set], everything.folds.by
    split = read_table(folder(data_set, "split") / "split.csv")
    salt, count = everything.split[data_set].salt, len(everything.folds.numbers)
    table = with_folds(data_set, split, salt, count, by)
    own, others = table[table["fold"] == fold].reset_index(drop=True), table[table["fold"] != fold]
    environment.use_threads(params.threads)
    environment.use_device(params.device)
    what = f"train_yolo_fold: fold {fold}, seed {seed}{without(own, by)}"
    with scratch(folder(data_set, "train_yolo_fold")) as work:
        net = net_definition(f"train_yolo.{data_set}", params.weights, params.weights_sha256, work)
        train = sorted(others["image"])
        # Ultralytics insists on a validation image, which it uses once, after the last epoch.
        card, images = yolo.lay_out(data_set, train, train[:1], work.resolve(), preparation)
        say(f"{what}: {params.weights}, {images} images, {params.epochs} epochs")
        trained = yolo.train(what, data_set, params, net, card, images, None)
        from sonotrace.models.files import write_yolo

        path = fold_model(data_set, fold, seed, everything.kind(data_set).model_ending)
        write_yolo(trained.checkpoint, {"prepare": preparation.model_dump(), "imgsz": params.imgsz}, path)
    detector = load_detector(path.read_bytes(), path)
    found = predictions(detector, own, stored_in(folder(data_set, "prepare") / "images"))
    say(f"{what}: {len(found)} boxes in {len(own)} images of {own['patient'].nunique()} patients")
    write_csv(found, fold_predictions(data_set, fold, seed))
