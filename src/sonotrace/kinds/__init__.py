"""The kinds of data set there are, and what each has of its own: its classes, their labels, its model.

A data set has a name, which its folders and parameters carry, and a kind, which says what its labels are.
`planes` and `structures` are both: names of the data sets that the project ships, and two of the kinds. No model
learns from the third, `out_of_scope`.
"""

from collections.abc import Mapping
from typing import Any

from sonotrace.errors import SonotraceError
from sonotrace.kinds.kind import Kind
from sonotrace.kinds.out_of_scope import KIND as OUT_OF_SCOPE
from sonotrace.kinds.planes import KIND as PLANES
from sonotrace.kinds.structures import KIND as STRUCTURES

KINDS: dict[str, Kind] = {kind.name: kind for kind in (PLANES, STRUCTURES, OUT_OF_SCOPE)}


def of(data_set: str, parameters: Mapping[str, Any]) -> Kind:
    """Return the kind of a data set, by `parameters`: dotted key -> value, as a commit has them or a stage ran with.

    Before a data set could have another kind than its name, its name was its kind. Raises SonotraceError
    for an unknown kind.
    """
    name = str(parameters.get(f"pull.{data_set}.kind", data_set))
    if name not in KINDS:
        raise SonotraceError(f"params.yaml: pull.{data_set}.kind is {name!r}; use one of {', '.join(KINDS)}")
    return KINDS[name]
