"""train_yolo: train the structure detector, and keep the epoch that validates best.

Needs `split.csv` and the prepared images and boxes with their augmented copies; leaves
`models/<data set>.pt`, its validation scores in `metrics/<data set>_validation.json`, and the losses and
scores of each epoch in `plots/train_yolo/<data set>`.
"""

from sonotrace.models import yolo
from sonotrace.models.definitions import net_definition
from sonotrace.params import load
from sonotrace.places import METRICS, PLOTS, folder
from sonotrace.running import environment
from sonotrace.running.outputs import scratch, write_json
from sonotrace.running.progress import epoch_log, say
from sonotrace.tables import read_table


def run(data_set: str) -> None:
    """Train on the train side of `data_set` and write the model with its names and preparation."""
    everything = load()
    params, preparation = everything.train_yolo[data_set], everything.prepare[data_set]
    environment.use_threads(params.threads)
    environment.use_device(params.device)
    with scratch(folder(data_set, "train_yolo")) as work:
        net = net_definition(f"train_yolo.{data_set}", params.weights, params.weights_sha256, work)
        table = read_table(folder(data_set, "split") / "split.csv")
        train, val = (list(table[table["side"] == side]["image"]) for side in ("train", "val"))
        card, images = yolo.lay_out(data_set, train, val, work.resolve(), preparation)
        start = "from scratch" if params.weights.endswith(".yaml") else "from local weights"
        say(f"train_yolo: {params.weights} {start}, {images} images, {params.epochs} epochs")
        with epoch_log(PLOTS / "train_yolo" / data_set) as log:
            trained = yolo.train("train_yolo", data_set, params, net, card, images, log)
        write_json(trained.validation, METRICS / f"{data_set}_validation.json")
        from sonotrace.models.files import write_yolo

        entry = {"prepare": preparation.model_dump(), "imgsz": params.imgsz}
        write_yolo(trained.checkpoint, entry, everything.kind(data_set).model(data_set))
