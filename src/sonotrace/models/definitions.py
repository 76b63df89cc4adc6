"""Which file a detector starts from: the installed package's own definition of a net, or weights known by their hash.

Given a bare name, Ultralytics first looks into the working directory, then searches its package, then
the network; and it evaluates text of a definition as code. So it is given an absolute path to bytes
that were checked, and that nobody changes between the check and the use.
"""

from importlib.util import find_spec
from pathlib import Path

from sonotrace.errors import SonotraceError
from sonotrace.models.pinned import read_pinned
from sonotrace.running.outputs import write_bytes

DEFINITIONS = {"yolov8n.yaml": "cfg/models/v8/yolov8.yaml"}
"""Names that `weights` may have without a hash, and where Ultralytics' package defines the net.

One file defines all sizes of a net; Ultralytics takes the size, n, from the name of the file it is given.
"""


def net_definition(section: str, weights: str, sha256: str | None, into: Path) -> Path:
    """Put what `weights` names into the folder `into`, and return the absolute path for `YOLO(...)`.

    `section` is that of params.yaml, for messages. `weights` is a name in `DEFINITIONS`, or the path of a `.pt`
    file whose SHA-256 is `sha256`. Raises SonotraceError for any
    other name, a missing file, and bytes with another hash.
    """
    if sha256 is None:
        if weights not in DEFINITIONS:
            raise SonotraceError(
                f"params.yaml: {section}.weights is {weights!r}: {' or '.join(DEFINITIONS)}, or a local .pt file "
                f"with its {section}.weights_sha256, is allowed"
            )
        content = (_package() / DEFINITIONS[weights]).read_bytes()
    else:
        content = read_pinned(section, Path(weights), sha256, ".pt")
    path = into.resolve() / Path(weights).name
    write_bytes(content, path)
    return path


def _package() -> Path:
    """Return the folder of the installed Ultralytics, without importing it."""
    spec = find_spec("ultralytics")
    if spec is None or spec.origin is None:
        raise SonotraceError("ultralytics: not installed; run `make setup`")
    return Path(spec.origin).parent
