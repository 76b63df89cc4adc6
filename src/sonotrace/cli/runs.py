"""Say what the last runs took."""

import json

from sonotrace.cli.options import AsJson


def runs(
    as_json: AsJson = False,
) -> None:
    """Say what the last run of each stage took, and on what machine and libraries."""
    from sonotrace.running import runs

    print(json.dumps(runs.read_all(), indent=2, ensure_ascii=False) if as_json else "\n".join(runs.lines()))
