"""Labels as the formats of the field write them: one module per kind of data set, with one function.

    read_snapshot(folder: Path, settings: Mapping[str, Any], data_set: str) -> Listing

It lists the images in `folder` and below with their labels. `settings` is the source's own section of
`pull.<data set>` in params.yaml, and messages name its parameters.
"""

from types import ModuleType

from sonotrace.labels import out_of_scope, planes, structures

_MODULES = {"planes": planes, "structures": structures, "out_of_scope": out_of_scope}


def of(kind: str) -> ModuleType:
    """Return the module that reads the labels of a kind of data set."""
    return _MODULES[kind]
