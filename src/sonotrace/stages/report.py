"""report: write the page of results.

Needs what gather and gather_scope left, `metrics`, `plots` and `params.yaml`. Leaves `reports/index.html`, which
holds pictures of patients, so git does not: DVC tracks it, as it does the images.
"""

from sonotrace.places import PAGE
from sonotrace.report.facts import read
from sonotrace.report.page import page
from sonotrace.running.outputs import write_bytes
from sonotrace.running.progress import say


def run() -> None:
    """Write the page of all data sets."""
    facts = read()
    content = page(facts).encode()
    write_bytes(content, PAGE)
    say(f"report: {PAGE}: {_counted(len(facts.data_sets))}, {len(content) / 1e6:.1f} MB; open it in a browser")


def _counted(data_sets: int) -> str:
    return f"{data_sets} data set{'' if data_sets == 1 else 's'}"
