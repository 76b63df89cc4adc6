"""pull: bring a snapshot's images and labels in, one manifest row each.

Needs `data/<source>/<data set>`; leaves `images/`, `manifest.csv` and `boxes.csv` in
`data/<data set>/pull`, and `reports/<data set>/snapshot.json`, which says what was pulled. Images
come as they are; DICOM files come as de-identified PNGs. Little is judged here: rows without an
image and images without a row are listed too, for validate to set apart.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from sonotrace.errors import SonotraceError
from sonotrace.intake import pins
from sonotrace.intake.bring import CLOSED, Brought, bring_dicom, bring_plain, open_cache
from sonotrace.labels import planes, structures
from sonotrace.labels.listing import Listed, is_dicom
from sonotrace.params import load
from sonotrace.patients.pseudonyms import Pseudonyms
from sonotrace.patients.withdrawals import Withdrawals
from sonotrace.places import DATA, REPORTS, STATE, folder
from sonotrace.running.item_cache import ItemCache
from sonotrace.running.outputs import building, remove, scratch, write_csv, write_json
from sonotrace.running.parallel import BATCH, available_cores, in_order
from sonotrace.running.progress import bar, say
from sonotrace.sources import Request, Snapshot, is_remote, source
from sonotrace.tables import box_table, image_table


def run(data_set: str) -> None:
    """Pull `data_set` from the source that `pull.<data set>.source` names."""
    params = load().pull[data_set]
    origin = DATA / params.source / data_set
    if not origin.is_dir():
        raise SonotraceError(f"{origin}: no such folder; put the snapshot there and `dvc add` it")
    pin = pins.read(origin) if is_remote(params.source) else None
    if pin is not None and not pin:
        raise SonotraceError(
            f"{origin / pins.PIN}: nothing is pinned; `sonotrace pin {data_set}` does so, then commit it"
        )
    out = folder(data_set, "pull")
    out.mkdir(parents=True, exist_ok=True)
    with scratch(out / "snapshot") as into:
        say(f"pull: {data_set} from {params.source} ({origin})")
        snapshot = fetch(data_set, into, pin)
        with ItemCache("sha256", [pins], None) as known:
            content = pins.contents(snapshot.folder, available_cores(), None if snapshot.folder == into else known)
        if pin:
            try:
                pins.hold(data_set, origin, pin, snapshot, content)
            except SonotraceError:
                remove(_kept(params.source))  # else a bad download that was kept would fail every later pull
                raise
        settings = getattr(params, params.source).model_dump()
        listed = read_snapshot(data_set, snapshot.folder, settings)
        clips = {entry.file for entry in listed if entry.file and is_dicom(entry.file)}
        if clips:
            _keep_from_remotes(origin)
        images, withdrawn = take_in(
            listed,
            clips,
            snapshot.folder,
            content,
            out,
            re.compile(params.patient_pattern),
            settings.get("dicom", CLOSED),
            Withdrawals(),
            move=snapshot.folder == into,
        )
    header = {
        "source": params.source,
        "version": snapshot.version,
        "fingerprint": pins.fingerprint(content),
        "licence": snapshot.licence,
        "preprocessing": dict(snapshot.preprocessing),
        "augmentation": dict(snapshot.augmentation),
        "images": images,
        "rows": len(listed) - withdrawn,
        "withdrawn": withdrawn,
    }
    write_json(header, REPORTS / data_set / "snapshot.json")
    if snapshot.preprocessing or snapshot.augmentation:
        done = ", ".join([*snapshot.preprocessing, *snapshot.augmentation])
        say(f"pull: these images are not raw; the source states: {done} (reports/{data_set}/snapshot.json)")
    without = f", without {withdrawn} of patients who withdrew" if withdrawn else ""
    say(f"pull: {images} images, {len(listed) - withdrawn} rows{without}")


def fetch(data_set: str, into: Path, pin: Mapping[str, Any] | None) -> Snapshot:
    """Have the source in the parameters bring its snapshot, held to `pin` or, without one, anew."""
    params = load().pull[data_set]
    with bar("snapshot", getattr(params, params.source).model_dump().get("images", 0)) as advance:
        snapshot: Snapshot = source(params.source).fetch(replace(request(data_set, into, pin), advance=advance))
    return snapshot


def request(data_set: str, into: Path, pin: Mapping[str, Any] | None) -> Request:
    """Make what the source in the parameters is asked with."""
    params = load().pull[data_set]
    settings = getattr(params, params.source).model_dump()
    origin, keep = DATA / params.source / data_set, _kept(params.source)
    return Request(data_set, params.kind, origin, settings, into, keep, pin, available_cores(), lambda _: None)


def _kept(source: str) -> Path:
    """Return the folder of the downloads that later runs can use."""
    return STATE / "downloads" / source


def read_snapshot(data_set: str, at: Path, settings: Mapping[str, Any]) -> list[Listed]:
    """List what the snapshot in the folder `at` holds."""
    if not load().kind(data_set).has_boxes:
        return planes.read_snapshot(at, settings.get("table", "image_label.csv"))
    return structures.read_snapshot(at)


def take_in(
    listed: list[Listed],
    clips: set[Path],
    at: Path,
    content: Mapping[str, str],
    out: Path,
    patient: re.Pattern[str],
    dicom: Mapping[str, Any],
    withdrawals: Withdrawals,
    *,
    move: bool,
) -> tuple[int, int]:
    """Bring the listed files to `out/images` and write both tables; return how many images, and rows left out.

    Left out is what belongs to patients who withdrew. `clips` are the DICOM files; `content` maps each
    file's path below `at` to its sha256. Plain images keep that path below `images`; they are moved where
    they were made for this run. DICOM files of the same bytes are brought once.
    """
    remaining = [entry for entry in listed if not withdrawals.hold(_patient(entry, patient))]
    names = {entry.file: entry.file.relative_to(at).as_posix() for entry in remaining if entry.file}
    first = {content[names[file]]: file for file in sorted(clips & names.keys(), reverse=True)}
    same = {file: first[content[names[file]]] if file in clips else file for file in sorted(names)}
    files = sorted(set(same.values()))
    pseudonyms = Pseudonyms.from_environment() if first else None
    with (
        open_cache(dicom, pseudonyms) as cache,
        building(out / "images") as images,
        bar("images", len(files)) as advance,
    ):
        images.mkdir()

        def bring(file: Path) -> list[Brought]:
            name = names[file]
            if pseudonyms and file in clips:
                return bring_dicom(file, content[name], images, dicom, pseudonyms, withdrawals, cache)
            return [bring_plain(file, name, content[name], images, move, cache)]

        came_of: dict[Path, list[Brought]] = {}
        for file, those in zip(files, in_order(bring, files, batch=BATCH), strict=True):
            came_of[file] = those
            advance(1)
    brought = {file: came_of[other] for file, other in same.items()}
    rows: list[dict[str, object]] = []
    boxes: list[dict[str, object]] = []
    for entry in remaining:
        for came in brought[entry.file] if entry.file else [_missing(entry, pseudonyms)]:
            row = _row(entry, came, patient)
            rows.append(row)
            if not row["refused"]:
                boxes.extend(_boxes(entry, came, str(row["image"])))
    write_csv(image_table(rows), out / "manifest.csv")
    write_csv(box_table(boxes).round(3), out / "boxes.csv")
    withdrawn = len(listed) - len(remaining) + sum(not those for those in brought.values())
    return len({came.file for those in brought.values() for came in those if came.file}), withdrawn


def _patient(entry: Listed, pattern: re.Pattern[str]) -> str:
    """Read the patient from the image id; empty where it cannot be read."""
    found = pattern.search(entry.image)
    return found["patient"] if found else ""


def _keep_from_remotes(origin: Path) -> None:
    """Raise SonotraceError where DVC tracks the folder of DICOM files, or one above it, and would push it."""
    for tracked in (Path(f"{at}.dvc") for at in (origin, *origin.parents)):
        if not tracked.is_file():
            continue
        outs = yaml.safe_load(tracked.read_text(encoding="utf-8"))["outs"]
        if any(out.get("push", True) for out in outs):
            raise SonotraceError(
                f"{tracked}: DICOM files name their patients, and `dvc push` would send them; add `push: false` "
                "to its entry under outs (docs/sources.md)"
            )


def _missing(entry: Listed, pseudonyms: Pseudonyms | None) -> Brought:
    """Stand in for a row without an image; beside DICOM files its name might tell who the patient is."""
    return Brought("", image=pseudonyms.of("name", entry.image) if pseudonyms else "")


def _row(entry: Listed, came: Brought, patient: re.Pattern[str]) -> dict[str, object]:
    refused = came.refused or entry.refused
    if entry.boxes and not came.alone:
        refused = refused or "boxes of a whole clip: name the labelled frame in pull.structures.incoming.dicom.frames"
    return {
        "image": came.image or entry.image,
        "file": came.file,
        "sha256": came.sha256,
        "patient": came.patient if came.image else _patient(entry, patient),
        "source_image": "" if came.image else entry.source_image,
        "width": came.width,
        "height": came.height,
        "label": entry.label,
        # Folders on the way may be named after patients.
        "labelled_by": PurePosixPath(entry.labelled_by).name if came.image else entry.labelled_by,
        "official_split": entry.official_split,
        "scanner": came.scanner or entry.scanner,
        "site": entry.site,
        "mm_per_px_x": f"{came.mm_per_px[0]:.6g}" if came.mm_per_px else "",
        "mm_per_px_y": f"{came.mm_per_px[1]:.6g}" if came.mm_per_px else "",
        "refused": refused,
    }


def _boxes(entry: Listed, came: Brought, image: str) -> list[dict[str, object]]:
    """Return the entry's boxes in px of the image as it was brought in."""
    width, height = came.full or (came.width, came.height)
    left, top = came.offset
    return [
        {
            "image": image,
            "file": came.file,
            "structure": box.structure,
            "x0": box.x0 * width - left,
            "y0": box.y0 * height - top,
            "x1": box.x1 * width - left,
            "y1": box.y1 * height - top,
        }
        for box in entry.boxes
    ]
