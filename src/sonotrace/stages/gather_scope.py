"""gather_scope: as gather, of images that are none of a classifier's classes.

Needs what pull, validate, split, prepare and evaluate_scope left, and the classifier, for its hash. Leaves
`data/for-report/<data set>.json`, which names no patient unless `report.patients` says so.
"""

from sonotrace.params import load
from sonotrace.places import gathered
from sonotrace.report.gathering import of_data_set
from sonotrace.running.outputs import write_bytes
from sonotrace.running.progress import say


def run(data_set: str) -> None:
    """Gather what there is to say of `data_set`."""
    found = of_data_set(data_set, "evaluate_scope", load())
    write_bytes(found.json().encode(), gathered(data_set))
    say(f"gather_scope: {data_set}: {len(found.cases)} images that the classifier gave a class, to show")
