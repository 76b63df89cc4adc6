"""Signatures over model files, with the user's own key; made and checked by model-signing, with no network.

The signature of `models/planes.keras` is `models/planes.keras.sig`, a Sigstore bundle around an in-toto
statement of the file's name and sha256. Two signatures of one file differ, so DVC does not track them.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from sonotrace.errors import SonotraceError
from sonotrace.lineage.verify import current, unlike
from sonotrace.places import MODELS
from sonotrace.records.history import History
from sonotrace.running.outputs import PART

PASSWORD = "SONOTRACE_KEY_PASSWORD"  # noqa: S105  the name of the variable
"""Environment variable with the password of a private key that has one."""
MAKE_KEY = "`openssl ecparam -genkey -name prime256v1 -noout` makes one"
MAKE_PUBLIC = "`openssl ec -pubout` makes it from the private one"


def beside(model: Path) -> Path:
    """Return where a model's signature stands."""
    return model.with_name(f"{model.name}.sig")


def sign(key: Path, top: Path) -> list[Path]:
    """Sign each model with the private key in the PEM file `key`; return the signature files.

    Raises SonotraceError where a model is not the one that `dvc.lock` names, or the key cannot be used.
    """
    from model_signing import hashing, signing

    _, steps = current(top)
    wanted = {path.as_posix() for path in MODELS.values()}
    named = [link for step in steps.values() for link in step.outputs if link.path in wanted]
    for path in sorted(wanted - {link.path for link in named}):
        raise SonotraceError(f"dvc.lock: does not name {path}; `dvc repro` makes it")
    for fault in unlike(named, top, History(top)):
        raise SonotraceError(f"{fault}; nothing was signed: restore it, or `dvc repro`")
    password = os.environ.get(PASSWORD)
    try:
        # DVC may link models from its cache.
        config = signing.Config().set_hashing_config(hashing.Config().set_allow_symlinks(True))
        # The library says `str`, and hands it on to a function that takes bytes.
        config.use_elliptic_key_signer(private_key=key, password=password.encode() if password else None)  # type: ignore[arg-type]
    except (ValueError, TypeError, AttributeError) as error:
        raise SonotraceError(_unusable(key, error, password)) from None
    written = []
    for model in MODELS.values():
        signature = beside(model)
        part = signature.with_name(signature.name + PART)
        config.sign(top / model, top / part)
        (top / part).replace(top / signature)
        written.append(signature)
    return written


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
    from cryptography.exceptions import InvalidSignature
    from model_signing import hashing, verifying

    try:
        config = verifying.Config().use_elliptic_key_verifier(public_key=key)
    except (ValueError, AttributeError):
        raise SonotraceError(f"{key}: not a public key on P-256, P-384 or P-521, as PEM; {MAKE_PUBLIC}") from None
    for model in MODELS.values():
        signature = beside(model)
        if not (top / model).is_file():
            yield f"{model}: missing; `dvc checkout {model}` or whoever signed it has it"
            continue
        if not (top / signature).is_file():
            yield f"{signature}: missing; `sonotrace sign --key KEY.pem` makes it, or ask whoever signed {model}"
            continue
        try:
            config.set_hashing_config(hashing.Config().set_allow_symlinks(True)).verify(top / model, top / signature)
        except (ValueError, InvalidSignature) as error:
            yield _refused(model, signature, key, str(error))
        except (KeyError, TypeError, AttributeError, IndexError):
            yield f"{signature}: not a signature; `sonotrace sign --key KEY.pem` makes one"


def _refused(model: Path, signature: Path, key: Path, reason: str) -> str:
    if "Signature mismatch" in reason:
        return f"{model}: altered; not what {signature} covers; restore it (`dvc checkout {model}`), or sign it again"
    if "Key mismatch" in reason:
        return f"{signature}: made with another key than {key}; ask whoever signed it for their public key"
    return f"{signature}: does not hold for {key}; it was changed or forged: sign {model} again"
