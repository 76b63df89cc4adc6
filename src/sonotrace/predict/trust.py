"""Who vouches for a model: the history of a checkout, a hash file or a signature that the user names."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sonotrace.errors import SonotraceError
from sonotrace.lineage.known import TrustedModel, read_model
from sonotrace.records.history import LOCK

_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
"""As `sha256sum` writes it."""


@dataclass(frozen=True)
class Trust:
    """Whose word the user takes."""

    repository: Path = Path()
    """A checkout, whose history names its models; asked where neither of the next two is given."""
    hashes: Sequence[Path] = ()
    """Files of sha256, such as `reports/planes/onnx.sha256`."""
    key: Path | None = None
    """The public key of whoever signed the models, PEM."""
    allow_unknown: bool = False
    """Whether a model is loaded that nobody vouches for."""

    def read(self, path: Path) -> TrustedModel:
        """Read a model; what was checked are the bytes returned.

        Raises SonotraceError where it is missing, or one of those named does not vouch for it.
        """
        if not self.hashes and self.key is None:
            if not self.allow_unknown and not (self.repository / LOCK).is_file():
                raise SonotraceError(
                    f"{path}: nobody vouches for it; name the hash file that came with it (--hashes), the public key "
                    "of whoever signed it (--key) or the checkout that made it (--repo), or use --allow-unknown"
                )
            return read_model(path, self.repository, self.allow_unknown)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise SonotraceError(f"{path}: cannot be read ({error.strerror}); check the path") from None
        if self.hashes:
            self._require_hash(path, content)
        if self.key is not None:
            from sonotrace.export.signed import require_signed

            require_signed(path, content, self.key)
        return TrustedModel(path, content, committed=True, known=True)

    def _require_hash(self, path: Path, content: bytes) -> None:
        found = hashlib.sha256(content).hexdigest()
        if not any(found in listed(file) for file in self.hashes):
            files = ", ".join(map(str, self.hashes))
            raise SonotraceError(f"{path}: its sha256 {found} is not in {files}; get the model again, or its hash file")


def listed(path: Path) -> set[str]:
    """Return the hashes in a file of `sha256sum`; raises SonotraceError where it is none."""
    try:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        raise SonotraceError(f"{path}: no such hash file; export_onnx writes reports/<data set>/onnx.sha256") from None
    found = [_LINE.fullmatch(line) for line in lines]
    if not lines or not all(found):
        raise SonotraceError(f"{path}: no hash file; each line has a sha256, two blanks and a name")
    return {match[1] for match in found if match}
