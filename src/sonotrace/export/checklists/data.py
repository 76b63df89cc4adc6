"""What the pipeline can say of the data, for the checklists: one function per answer."""

from collections.abc import Iterator

from sonotrace.export.card import by_class
from sonotrace.export.checklists.answer import PARAMS, Answer, each, learned, parameter
from sonotrace.export.record import Record
from sonotrace.report import words
from sonotrace.report.facts import Facts
from sonotrace.tables import NOT_STATED


def sources(_: Record, facts: Facts) -> Iterator[Answer]:
    """Say where each snapshot is from."""
    for one, name in each(facts):
        found = one.gathered.snapshot
        version = f" {found['version']}" if found["version"] else ""
        licence = found["licence"] or "licence not stated"
        yield Answer(
            f"{name} {found['source']}{version}, {licence}, {found['images']} images, {found['fingerprint']}.",
            (f"reports/{one.name}/snapshot.json",),
        )


def exclusions(_: Record, facts: Facts) -> Iterator[Answer]:
    """Count the rows that were used and those that were not."""
    for one, name in each(facts):
        data, withdrawn = one.gathered.data, one.gathered.snapshot["withdrawn"]
        reasons = ", ".join(f"{count} {reason}" for reason, count in data["quarantined_by_reason"].items())
        yield Answer(
            f"{name} of {data['rows']} rows {data['accepted']} used ({data['patients']} patients), "
            f"{data['quarantined']} excluded{f' ({reasons})' if reasons else ''}, {data['out_of_scope']} of other "
            f"classes, {withdrawn} images of withdrawn patients left out.",
            (f"reports/{one.name}/data.json", f"data/{one.name}/validate/quarantine.csv"),
        )


def preparation(_: Record, facts: Facts) -> Iterator[Answer]:
    """Say what was done to images before a model saw them."""
    for one, name in each(facts):
        prepared = one.prepared
        before = one.gathered.snapshot["preprocessing"]
        steps = ", ".join(f"{key} {words.parameter(value)}" for key, value in before.items())
        done = f" Before that, by the exporting tool: {steps}." if steps else ""
        masked = "outside the sector blanked" if prepared["mask_overlays"] else "overlays left as they are"
        yield Answer(
            f"{name} 8-bit grey, {prepared['width']} x {prepared['height']} px, {prepared['aspect']}, {masked}.{done}",
            (PARAMS,),
        )


def privacy(_: Record, facts: Facts) -> Iterator[Answer]:
    """Say how patients go by no name."""
    state = "names" if facts.patients_shown else "does not name"
    yield Answer(
        "Identifiers in DICOM files are read but not kept, and their patients get keyed pseudonyms; images in other "
        "formats keep the patient number that the snapshot has; exports name no patient and no image; the page of "
        f"results {state} patients (report.patients).",
        (PARAMS,),
    )


def missing(_: Record, facts: Facts) -> Iterator[Answer]:
    """Count what was missing."""
    for one, name in each(facts):
        reasons = one.gathered.data["quarantined_by_reason"]
        missing = {reason: count for reason, count in reasons.items() if "without" in reason or "unreadable" in reason}
        counted = ", ".join(f"{count} {reason}" for reason, count in missing.items()) or "none"
        yield Answer(
            f"{name} rows without image, label or patient were left out, nothing was imputed: {counted}.",
            (f"data/{one.name}/validate/quarantine.csv",),
        )


def grouped(facts: Facts, by: str) -> Iterator[Answer]:
    """Count images by scanner or site."""
    for one, name in each(facts):
        groups: dict[str, int] = {}
        for count in one.gathered.counts:
            if count.by == by:
                groups[count.group] = groups.get(count.group, 0) + count.images
        if groups:
            said = ", ".join(f"{group} {count} images" for group, count in groups.items())
            stated = f"the snapshot does not state the {by}" if list(groups) == [NOT_STATED] else said
            yield Answer(f"{name} {stated}.", (f"data/{one.name}/split/split.csv",))


def labels(_: Record, facts: Facts) -> Iterator[Answer]:
    """Say what the labels are."""
    for one, name in each(facts):
        kind = "boxes around" if one.kind.has_boxes else "one class per image:"
        classes = ", ".join(by_class(one) or one.gathered.names)
        yield Answer(f"{name} {kind} {classes}, as the snapshot labels them.", (f"data/{one.name}/split/split.csv",))


def split(_: Record, facts: Facts) -> Iterator[Answer]:
    """Say how patients were assigned to splits."""
    for one, name in each(facts):
        sides = ", ".join(
            f"{side} {counts['images']} images of {counts['patients']} patients"
            for side, counts in one.gathered.split.items()
        )
        official = parameter(facts, f"split.{one.name}.use_official")
        how = "the data set's own split" if official else "by a hash of salt and patient"
        how = how if one.is_learned else "all on the test side"
        yield Answer(f"{name} {how}; {sides}.", (f"reports/{one.name}/split.json", PARAMS))


def apart(_: Record, __: Facts) -> Iterator[Answer]:
    """Say on which level splits are apart."""
    yield Answer(
        "By patient: no patient is in more than one split, nobody who was tested on is trained on later, and cohorts "
        "share no patient with the data that the model was trained on; the pipeline stops otherwise.",
        (PARAMS,),
    )


def groups(_: Record, facts: Facts) -> Iterator[Answer]:
    """Count images by class, scanner and site."""
    for one, name in each(facts):
        said = "; ".join(
            f"{group} {', '.join(f'{side} {images}' for side, images in sides.items() if images)}"
            for group, sides in by_class(one).items()
        )
        yield Answer(f"{name} images by class and split: {said}.", (f"data/{one.name}/split/split.csv",))
    for by in ("scanner", "site"):
        yield from grouped(facts, by)


def imbalance(_: Record, facts: Facts) -> Iterator[Answer]:
    """Count training images by class."""
    for one, name in learned(facts):
        trained = ", ".join(f"{group} {sides.get('train', 0)}" for group, sides in by_class(one).items())
        weighted = parameter(facts, f"{one.kind.training}.{one.name}.class_weights")
        how = {True: "rare classes weighted by inverse frequency", False: "not weighted"}.get(bool(weighted), "")
        yield Answer(f"{name} training images by class: {trained}; {how}.", (f"reports/{one.name}/split.json", PARAMS))
