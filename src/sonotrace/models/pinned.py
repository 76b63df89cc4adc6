"""Read a file of weights that the parameters name, and hold it to the hash that they state."""

import hashlib
from pathlib import Path

from sonotrace.errors import SonotraceError


def read_pinned(section: str, path: Path, sha256: str, ending: str) -> bytes:
    """Return the bytes of the file `<section>.weights` of params.yaml, whose hash is `<section>.weights_sha256`.

    Raises SonotraceError where it has another ending, is missing or has another hash.
    """
    if path.suffix != ending:
        raise SonotraceError(f"params.yaml: {section}.weights is {str(path)!r}: with a sha256 it names a {ending} file")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SonotraceError(
            f"params.yaml: {section}.weights: {path} cannot be read ({error.strerror}); nothing is downloaded"
        ) from None
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise SonotraceError(
            f"{path}: sha256 is {found}, not {section}.weights_sha256 {sha256}; "
            "get the right file, or accept this one by setting its sha256"
        )
    return content
