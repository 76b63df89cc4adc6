"""gather: pick what the report shows of a data set, and make small pictures of its worst errors.

Needs what pull, validate, split, prepare and evaluate left, and the model that evaluate measured, for its hash.
Leaves `data/for-report/<data set>.json`, which names no patient unless `report.patients` says so.
"""

from sonotrace.params import load
from sonotrace.places import gathered
from sonotrace.report.gathering import of_data_set
from sonotrace.running.outputs import write_bytes
from sonotrace.running.progress import say


def run(data_set: str) -> None:
    """Gather what there is to say of `data_set`."""
    found = of_data_set(data_set, "evaluate", load())
    write_bytes(found.json().encode(), gathered(data_set))
    wrong = sum(case.is_wrong for case in found.cases)
    say(f"gather: {data_set}: {wrong} test images with errors to show, {len(found.set_apart)} from quarantine")
