"""How good a model is: scores, their intervals, and the files and tables that hold them.

Each kind of data set has a module of its name, with `metrics` and, where it is drawn, `plots`.
"""

from types import ModuleType

from sonotrace.kinds.kind import Kind


def of(kind: Kind) -> ModuleType:
    """Return the module that scores models of a kind."""
    from sonotrace.scores import out_of_scope, planes, structures

    return {"planes": planes, "structures": structures, "out_of_scope": out_of_scope}[kind.name]
