"""A reproducible, data-versioned workflow for fetal ultrasound."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sonotrace.predict.api import Predictor
    from sonotrace.predict.search import Search

__version__ = "0.1.0"


def load(
    folder: str | Path,
    *,
    hashes: Sequence[str | Path] = (),
    key: str | Path | None = None,
    allow_unknown: bool = False,
    search: "Search | None" = None,
) -> "Predictor":
    """Load the models `planes.onnx` and `structures.onnx` of a folder, or of a checkout's `models`; one is enough.

    In a checkout its history vouches for them. Elsewhere `hashes` names files such as `onnx.sha256`, or `key` the
    public key of whoever signed them; `allow_unknown` loads them anyway. `search` says how to look at images.

    Raises SonotraceError where there is no model, or nobody vouches for one.

    >>> import sonotrace
    >>> models = sonotrace.load("models", hashes=["onnx.sha256"])  # doctest: +SKIP
    >>> models.predict("scan.png").plane  # doctest: +SKIP
    'brain'
    >>> for one in models.predict_all(["folder/"]):  # doctest: +SKIP
    ...     print(one.file, one.plane, one.error)
    """
    from sonotrace.predict import api

    return api.load(folder, hashes=hashes, key=key, allow_unknown=allow_unknown, search=search)
