"""validate: decode every image once and set apart, with a reason, what cannot be used.

Needs what pull left; leaves `accepted.csv`, `boxes.csv` (of accepted images, cut to the image),
`quarantine.csv`, `out_of_scope.csv` (good images of classes that are not to be learnt),
`statistics.csv` (what each image that can be read looks like, in numbers) and `recovered` (images of
sources that were recovered from their turned copies) in `data/<data set>/validate`, and
`reports/<data set>/data.json`.
"""

import pandas as pd

from sonotrace.checks import unlike
from sonotrace.checks.boxes import cut_boxes
from sonotrace.checks.copies import set_copies_apart
from sonotrace.checks.decoding import inspect
from sonotrace.checks.report import count, describe
from sonotrace.checks.rows import judge, part_by_scope, set_apart
from sonotrace.errors import SonotraceError
from sonotrace.params import load
from sonotrace.places import REPORTS, folder
from sonotrace.recovered.table import leave_copies, recover_sources
from sonotrace.running.outputs import building, write_csv, write_json
from sonotrace.running.progress import say
from sonotrace.tables import REVIEWED, is_recovered, read_table


def run(data_set: str) -> None:
    """Validate `data_set`; stop where too much is quarantined or identical images disagree."""
    everything = load()
    params, kind = everything.validate[data_set], everything.kind(data_set)
    pull, out = folder(data_set, "pull"), folder(data_set, "validate")
    manifest, boxes = read_table(pull / "manifest.csv"), read_table(pull / "boxes.csv")
    found = inspect(manifest, pull / "images", data_set)
    readable = found["damage"] == ""
    write_csv(found[readable].drop(columns="damage"), out / "statistics.csv")
    damages = dict(found.loc[~readable, ["file", "damage"]].itertuples(index=False))
    accepted, quarantine = judge(data_set, kind, manifest, boxes, damages)
    strange = unlike.found(found[readable])
    accepted, unlike_rest = set_apart(accepted, strange if params.unlike == "quarantine" else {}, "unlike the rest")
    accepted, copies = set_copies_apart(data_set, kind, accepted, boxes, params.conflicting_labels)
    with building(out / "recovered") as into:
        into.mkdir()
        recovered = (recover_sources if params.recovers else leave_copies)(accepted, boxes, pull / "images", into)
    accepted, boxes = recovered.accepted, recovered.boxes
    accepted, beyond = part_by_scope(kind, accepted, params.only_in_scope)
    write_csv(beyond, out / "out_of_scope.csv")
    quarantine = pd.concat([quarantine, unlike_rest, copies, recovered.apart]).sort_values(
        ["image", "file"], kind="stable"
    )
    write_csv(quarantine, out / "quarantine.csv")
    _check_share(data_set, len(manifest), quarantine, params.max_quarantined)
    if accepted.empty:
        raise SonotraceError(
            f"{data_set}: all {len(beyond)} good images are of classes out of scope ({', '.join(kind.out_of_scope)}); "
            f"set validate.{data_set}.classes: six, or bring standard planes"
        )
    write_csv(accepted, out / "accepted.csv")
    used = cut_boxes(boxes, accepted)
    write_csv(used, out / "boxes.csv")
    flagged = {file: why for file, why in strange.items() if file in set(accepted["file"])}
    report = describe(kind, manifest, accepted, beyond, quarantine, used, list(flagged.values()))
    write_json(report | recovered.summary, REPORTS / data_set / "data.json")
    out_of_scope = f", {len(beyond)} out of scope" if len(beyond) else ""
    why = f": {_reasons(quarantine)}; see {out / 'quarantine.csv'}" if len(quarantine) else ""
    say(f"validate: {len(accepted)} {data_set} images accepted{out_of_scope}, {len(quarantine)} rows quarantined{why}")
    if params.recovers:
        sources = int(is_recovered(accepted).sum())
        say(f"validate: {sources} {data_set} sources recovered from their copies; see {out / 'recovered'}")
    if flagged:
        first, reason = next(iter(flagged.items()))
        say(
            f"validate: warning: {len(flagged)} accepted images look unlike the rest; first: {first}: {reason}; take "
            f"them out of the snapshot, or set validate.{data_set}.unlike: quarantine"
        )


def _reasons(quarantine: pd.DataFrame) -> str:
    return ", ".join(f"{number} {reason}" for reason, number in count(quarantine["reason"]).items())


def _check_share(data_set: str, rows: int, quarantine: pd.DataFrame, limit: float) -> None:
    if rows == 0:
        raise SonotraceError(f"{folder(data_set, 'pull')}: no images and no rows; put a snapshot there to pull")
    share = (quarantine["reason"] != REVIEWED).sum() / rows  # what people left out is no fault of the snapshot
    if share <= limit and len(quarantine) < rows:
        return
    first = quarantine.iloc[0]
    raise SonotraceError(
        f"{data_set}: {len(quarantine)} of {rows} rows quarantined ({_reasons(quarantine)}; first: {first['image']}: "
        f"{first['detail']}), more than validate.{data_set}.max_quarantined = {limit:g}; "
        f"see {folder(data_set, 'validate') / 'quarantine.csv'}, correct the snapshot or raise the limit"
    )
