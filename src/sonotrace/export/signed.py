"""Does a signature over a model file hold? Checked by model-signing, with no network."""

from pathlib import Path

from sonotrace.errors import SonotraceError
from sonotrace.models.files import private_copy

MAKE_PUBLIC = "`openssl ec -pubout` makes it from the private one"


def beside(model: Path) -> Path:
    """Return where a model's signature is."""
    return model.with_name(f"{model.name}.sig")


def require_signed(path: Path, content: bytes, key: Path) -> None:
    """Raise SonotraceError unless the signature beside the model `path` holds for these bytes of it."""
    signature = beside(path)
    if not signature.is_file():
        raise SonotraceError(f"{signature}: missing, so nobody vouches for {path}; ask whoever signed it")
    with private_copy(content, path) as copy:
        said = problem(copy, signature, key, path)
    if said:
        raise SonotraceError(said)


def problem(file: Path, signature: Path, key: Path, model: Path) -> str:
    """Say what is wrong with the signature over the bytes of `file`, or nothing; the message names `model`.

    `key` is a public key, PEM. Raises SonotraceError where it cannot be used.
    """
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from model_signing import hashing, verifying

    try:
        config = verifying.Config().use_elliptic_key_verifier(public_key=key)
    except (ValueError, TypeError, AttributeError, UnsupportedAlgorithm):
        raise SonotraceError(f"{key}: not a public key on P-256, P-384 or P-521, as PEM; {MAKE_PUBLIC}") from None
    try:
        config.set_hashing_config(hashing.Config().set_allow_symlinks(True)).verify(file, signature)
    except (ValueError, InvalidSignature) as error:
        return _refused(model, key, str(error))
    except (KeyError, TypeError, AttributeError, IndexError):
        return f"{beside(model)}: not a signature; `sonotrace sign --key KEY.pem` makes one"
    return ""


def _refused(model: Path, key: Path, reason: str) -> str:
    signature = beside(model)
    if "Signature mismatch" in reason:
        return f"{model}: altered; not what {signature} covers; restore it (`dvc checkout {model}`), or sign it again"
    if "Key mismatch" in reason:
        return f"{signature}: made with another key than {key}; ask whoever signed it for their public key"
    return f"{signature}: does not hold for {key}; it was changed or forged: sign {model} again"
