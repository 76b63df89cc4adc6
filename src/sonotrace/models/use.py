"""Which module uses the models of a kind of data set; each has `predictions`."""

from types import ModuleType

from sonotrace.kinds.kind import Kind
from sonotrace.models import classifier, detector


def user(kind: Kind) -> ModuleType:
    """Return the module that uses models of a kind; it imports their framework when it first needs it."""
    return {"planes": classifier, "structures": detector}[kind.name]
