"""pull: bring a snapshot's images and labels in, with one manifest row per image or row of labels.

Needs `data/<source>/<data set>`; leaves `images/`, `manifest.csv` and `boxes.csv` in
`data/<data set>/pull`, and `reports/<data set>/snapshot.json`, which says what was pulled. Images
come as they are; DICOM files come as de-identified PNGs. Little is judged here: rows without an
image and images without a row are listed too, for validate to set apart.
"""

import re

from sonotrace import labels
from sonotrace.intake import fetch, pins, tree
from sonotrace.intake.bring import DicomSettings
from sonotrace.intake.fetch import Fetched
from sonotrace.intake.take_in import TakenIn, Terms, take_in
from sonotrace.labels.corrections import TABLE, Corrections
from sonotrace.params import load
from sonotrace.patients.withdrawals import Withdrawals
from sonotrace.places import REPORTS, folder
from sonotrace.running.outputs import scratch, write_csv, write_json
from sonotrace.running.progress import say


def run(data_set: str) -> None:
    """Pull `data_set` from the source that `pull.<data set>.source` names."""
    everything = load()
    params = everything.pull[data_set]
    chosen = fetch.choice(data_set, params)
    pin = fetch.required_pin(chosen)
    out = folder(data_set, "pull")
    dicom = chosen.settings.get("dicom")
    terms = Terms(
        data_set,
        re.compile(params.patient_pattern),
        DicomSettings.of(dicom) if dicom else DicomSettings(),
        Withdrawals(),
        Corrections(data_set, everything.kind(data_set)),
    )
    say(f"pull: {data_set} from {chosen.source} ({chosen.origin})")
    with scratch(out / "snapshot") as into:
        fetched = fetch.fetch(chosen, into, pin)
        listing = labels.of(chosen.kind).read_snapshot(fetched.snapshot.folder, chosen.settings, data_set)
        ignored = tree.ignored(fetched.snapshot.folder, listing)
        taken = take_in(listing.entries, fetched, out / "images", terms)
    write_csv(taken.manifest, out / "manifest.csv")
    write_csv(taken.boxes, out / "boxes.csv")
    corrections = terms.corrections.summary(taken.manifest["sha256"])
    report = describe(chosen.source, fetched, taken, sum(ignored.values()), corrections)
    write_json(report, REPORTS / data_set / "snapshot.json")
    applied = [*fetched.snapshot.preprocessing, *fetched.snapshot.augmentation]
    if applied:
        say(
            f"pull: these images are not raw; the source states: {', '.join(applied)} "
            f"(reports/{data_set}/snapshot.json)"
        )
    for note in listing.notes:
        say(f"pull: note: {note}")
    if ignored:
        kinds_of_files = ", ".join(f"{count} {kind}" for kind, count in ignored.items())
        say(f"pull: note: left out, as neither images nor labels: {kinds_of_files}")
    for review, outcome in corrections.items():
        say(f"pull: reviewed by {review}: {outcome} ({TABLE})")
    unmet = len(terms.corrections.images - set(taken.manifest["sha256"]))
    if unmet:
        say(f"pull: note: {unmet} decisions in {TABLE} are about images that are not in this snapshot")
    without = f", without {taken.withdrawn} of patients who withdrew" if taken.withdrawn else ""
    say(f"pull: {taken.images} images, {taken.rows} rows{without}")


def describe(
    source: str, fetched: Fetched, taken: TakenIn, ignored: int, corrections: dict[str, str]
) -> dict[str, object]:
    """Return what `snapshot.json` says; it names no patient and no image.

    `ignored` is how many files were left out. Their endings are not named, as some are parts of names.
    `corrections` says who reviewed labels, when, and what came of it.
    """
    snapshot = fetched.snapshot
    return {
        "source": source,
        "version": snapshot.version,
        "fingerprint": pins.fingerprint(fetched.content),
        "licence": snapshot.licence,
        "preprocessing": dict(snapshot.preprocessing),
        "augmentation": dict(snapshot.augmentation),
        "images": taken.images,
        "rows": taken.rows,
        "withdrawn": taken.withdrawn,
        **({"ignored": ignored} if ignored else {}),
        **({"corrections": corrections} if corrections else {}),
    }
