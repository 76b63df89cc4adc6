"""Signatures over model files, with the user's own key; made and checked by model-signing, with no network.

The signature of `models/planes.keras` is `models/planes.keras.sig`, a Sigstore bundle around an in-toto
statement of the file's name and sha256. Two signatures of one file differ, so DVC does not track them.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from sonotrace.errors import SonotraceError
from sonotrace.export.record import kind_of
from sonotrace.export.signed import beside, problem
from sonotrace.lineage.verify import current
from sonotrace.models.files import private_copy
from sonotrace.places import onnx_model
from sonotrace.records.history import LOCK
from sonotrace.records.lock import Step, exports, learned
from sonotrace.running.outputs import PART

PASSWORD = "SONOTRACE_KEY_PASSWORD"  # noqa: S105  the name of the variable
"""Environment variable with the password of a private key that has one."""
MAKE_KEY = "`openssl ecparam -genkey -name prime256v1 -noout` makes one"


def sign(key: Path, top: Path) -> list[Path]:
    """Sign each model that `dvc.lock` names with the private key in the PEM file `key`; return the signature files.

    What is signed are the bytes that were checked, whatever the file holds by then. Raises SonotraceError where
    a model is not the one that `dvc.lock` names, or the key cannot be used.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from model_signing import signing

    _, steps = current(top)
    checked = {model: _checked(model, steps, top) for model in _models(steps)}
    if not checked:
        raise SonotraceError("dvc.lock: names no data set, so there is no model to sign; `dvc repro` makes one")
    password = os.environ.get(PASSWORD)
    try:
        # The library says `str`, and hands it on to a function that takes bytes.
        config = signing.Config().use_elliptic_key_signer(
            private_key=key,
            password=password.encode() if password else None,  # type: ignore[arg-type]
        )
    except (ValueError, TypeError, AttributeError, UnsupportedAlgorithm) as error:
        raise SonotraceError(_unusable(key, error, password)) from None
    written = []
    for model, content in checked.items():
        signature = beside(model)
        part = signature.with_name(signature.name + PART)
        with private_copy(content, model) as copy:
            config.sign(copy, top / part)
        (top / part).replace(top / signature)
        written.append(signature)
    return written


def _models(steps: Mapping[str, Step]) -> list[Path]:
    """Return the models of a lock's data sets, trained or not, and their exported forms; cohorts have none."""
    exported = {Path(link.path) for step in steps.values() for link in exports(step)}
    found = []
    for data_set in learned(steps):
        found.append(kind_of(data_set, steps).model(data_set))
        found += [path for path in [onnx_model(data_set)] if path in exported]
    return found


def _checked(model: Path, steps: Mapping[str, Step], top: Path) -> bytes:
    """Return the bytes of a model; raises SonotraceError where they are not those that the lock names."""
    links = [link for step in steps.values() for link in step.outputs if link.path == model.as_posix()]
    if not links:
        raise SonotraceError(f"dvc.lock: does not name {model}; `dvc repro` makes it")
    try:
        content = (top / model).read_bytes()
    except FileNotFoundError:
        raise SonotraceError(f"{model}: missing; nothing was signed: `dvc checkout {model}` restores it") from None
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != links[0].md5:
        raise SonotraceError(
            f"{model}: altered; not what dvc.lock names; nothing was signed: restore it, or `dvc repro`"
        )
    return content


def _unusable(key: Path, error: Exception, password: str | None) -> str:
    if isinstance(error, TypeError) and password is None:
        return f"{key}: is protected; set {PASSWORD} to its password"
    if isinstance(error, TypeError):
        return f"{key}: has no password, but {PASSWORD} is set; unset it"
    if password is not None:
        return f"{key}: cannot be read with the password in {PASSWORD}; check both"
    return f"{key}: not a private key on P-256, P-384 or P-521, as PEM; {MAKE_KEY}"


def problems(key: Path, top: Path) -> Iterator[str]:
    """Yield a line for each model that the public key in the PEM file `key` does not vouch for.

    Raises SonotraceError where the key cannot be used.
    """
    for model in _signed(top):
        signature = beside(model)
        if not (top / model).is_file():
            yield f"{model}: missing; `dvc checkout {model}` or whoever signed it has it"
            continue
        if not (top / signature).is_file():
            yield f"{signature}: missing; `sonotrace sign --key KEY.pem` makes it, or ask whoever signed {model}"
            continue
        if said := problem(top / model, top / signature, key, model):
            yield said


def _signed(top: Path) -> list[Path]:
    """Return the models that should have a signature: those that the lock names, and those beside a signature.

    Whoever got the models alone has no lock. Raises SonotraceError where there is neither.
    """
    lock = top / LOCK
    named = _models(current(top)[1]) if lock.is_file() else []
    beside_one = [path.relative_to(top).with_suffix("") for path in sorted((top / "models").glob("*.sig"))]
    found = list(dict.fromkeys([*named, *beside_one]))
    if not found:
        raise SonotraceError(f"{LOCK}: not there, and no signature in models; go to the folder that has them")
    return found
