"""A signature holds for the bytes and the key it was made with, and for nothing else."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from sonotrace.errors import SonotraceError
from sonotrace.export import signature

PLANES, STRUCTURES = Path("models/planes.keras"), Path("models/structures.pt")


def _keys(folder, name, key=None, password=None):
    """Write a key pair as PEM; return the paths of the private and the public key."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    paths = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    for path, content in zip(paths, (private, public), strict=True):
        path.write_bytes(content)
    return paths


@pytest.fixture
def keys(tmp_path, monkeypatch):
    monkeypatch.delenv(signature.PASSWORD, raising=False)
    return _keys(tmp_path, "mine")


@pytest.fixture
def signed(recorded, keys):
    signature.sign(keys[0], recorded)
    return recorded


def _problems(keys, top):
    return list(signature.problems(keys[1], top))


def test_signatures_stand_beside_the_models_and_hold(signed, keys):
    assert sorted(path.name for path in (signed / "models").iterdir()) == [
        "planes.keras",
        "planes.keras.sig",
        "structures.pt",
        "structures.pt.sig",
    ]
    assert _problems(keys, signed) == []


def test_the_library_itself_verifies_them_too(signed, keys):
    command = ["-m", "model_signing", "verify", "key", "--signature", f"{PLANES}.sig", "--public_key", keys[1], PLANES]
    done = subprocess.run([sys.executable, *command], cwd=signed, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_signature_says_neither_who_nor_where(signed, tmp_path):
    bundle = json.loads((signed / f"{PLANES}.sig").read_text())
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"]).decode()
    assert json.loads(payload)["subject"][0]["name"] == "planes.keras"
    assert str(tmp_path) not in payload + json.dumps(bundle)


def test_an_altered_model_is_named(signed, keys):
    (signed / STRUCTURES).write_bytes((signed / STRUCTURES).read_bytes() + b"x")
    (problem,) = _problems(keys, signed)
    assert problem.startswith("models/structures.pt: altered; not what models/structures.pt.sig covers; restore it")


def test_another_key_is_refused_for_both(signed, tmp_path):
    other = _keys(tmp_path, "other")
    found = _problems(other, signed)
    assert [problem.split(": ")[0] for problem in found] == ["models/planes.keras.sig", "models/structures.pt.sig"]
    assert all("made with another key than" in problem for problem in found)


def test_a_missing_signature_and_a_missing_model_are_named(signed, keys):
    (signed / "models/planes.keras.sig").unlink()
    (signed / STRUCTURES).unlink()
    assert [problem.split("; ")[0] for problem in _problems(keys, signed)] == [
        "models/planes.keras.sig: missing",
        "models/structures.pt: missing",
    ]


def test_a_signature_of_the_other_model_does_not_hold(signed, keys):
    (signed / f"{PLANES}.sig").write_bytes((signed / f"{STRUCTURES}.sig").read_bytes())
    (problem,) = _problems(keys, signed)
    assert problem.startswith("models/planes.keras: altered; ")


def test_a_forged_statement_does_not_hold(signed, keys):
    """Someone alters the model and the hash in the statement, without the key."""
    from hashlib import sha256

    path = signed / f"{PLANES}.sig"
    bundle = json.loads(path.read_text())
    before, after = (sha256(content).hexdigest() for content in ((signed / PLANES).read_bytes(), b"evil"))
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"]).decode().replace(before, after)
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(payload.encode()).decode()
    path.write_text(json.dumps(bundle))
    (signed / PLANES).write_bytes(b"evil")
    (problem,) = _problems(keys, signed)
    assert problem.startswith("models/planes.keras.sig: does not hold for ")


@pytest.mark.parametrize("content", ["", "{}", "[]", "not JSON", '{"verificationMaterial": {}}'])
def test_a_file_that_is_no_signature_is_named(signed, keys, content):
    (signed / f"{PLANES}.sig").write_text(content)
    (problem,) = _problems(keys, signed)
    assert problem.startswith("models/planes.keras.sig: ")


def test_models_that_dvc_links_from_its_cache_are_signed_too(recorded, keys, tmp_path):
    (recorded / PLANES).rename(tmp_path / "cached")
    (recorded / PLANES).symlink_to(tmp_path / "cached")
    signature.sign(keys[0], recorded)
    assert _problems(keys, recorded) == []


def test_a_model_that_no_run_made_is_not_signed(recorded, keys):
    (recorded / PLANES).write_text("from elsewhere")
    with pytest.raises(SonotraceError, match=r"^models/planes.keras: altered; .*nothing was signed"):
        signature.sign(keys[0], recorded)
    assert not list((recorded / "models").glob("*.sig*"))


def test_a_protected_key_needs_its_password(recorded, tmp_path, keys, monkeypatch):
    protected = _keys(tmp_path, "protected", password=b"geheim")
    with pytest.raises(SonotraceError, match="is protected; set SONOTRACE_KEY_PASSWORD"):
        signature.sign(protected[0], recorded)
    monkeypatch.setenv(signature.PASSWORD, "wrong")
    with pytest.raises(SonotraceError, match="cannot be read with the password in SONOTRACE_KEY_PASSWORD"):
        signature.sign(protected[0], recorded)
    with pytest.raises(SonotraceError, match="has no password, but SONOTRACE_KEY_PASSWORD is set"):
        signature.sign(keys[0], recorded)
    monkeypatch.setenv(signature.PASSWORD, "geheim")
    signature.sign(protected[0], recorded)
    assert _problems(protected, recorded) == []


def test_other_keys_and_other_files_are_refused_in_one_line(signed, keys, tmp_path):
    rsa_keys = _keys(tmp_path, "rsa", rsa.generate_private_key(65537, 2048))
    curve_keys = _keys(tmp_path, "curve", ec.generate_private_key(ec.SECP256K1()))
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    for private in (rsa_keys[0], curve_keys[0], junk, keys[1]):
        with pytest.raises(SonotraceError, match=f"^{private}: not a private key on P-256.*`openssl .*` makes one$"):
            signature.sign(private, signed)
    for public in (rsa_keys[1], curve_keys[1], junk, keys[0]):
        with pytest.raises(SonotraceError, match=f"^{public}: not a public key on P-256"):
            list(signature.problems(public, signed))


def test_nothing_is_asked_of_a_network_or_written_into_a_home(recorded, keys, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    code = (
        "import socket, pathlib\n"
        "def no(*_, **__): raise AssertionError('network')\n"
        "socket.socket.connect = socket.getaddrinfo = no\n"
        "from sonotrace.export import signature\n"
        f"signature.sign(pathlib.Path({str(keys[0])!r}), pathlib.Path())\n"
        f"assert not list(signature.problems(pathlib.Path({str(keys[1])!r}), pathlib.Path()))\n"
    )
    environment = os.environ | {"HOME": str(home), "PYTHONPATH": str(Path(signature.__file__).parents[2])}
    subprocess.run([sys.executable, "-c", code], cwd=recorded, env=environment, check=True)
    assert not list(home.iterdir())


def test_the_bytes_that_were_checked_are_signed_whatever_the_file_holds_by_then(recorded, keys, monkeypatch):
    """Someone exchanges the models after the check, before the library hashes them."""
    from model_signing import signing

    sign = signing.Config.sign

    def after_an_exchange(config, path, into):
        for model in (PLANES, STRUCTURES):
            (recorded / model).write_bytes(b"evil")
        return sign(config, path, into)

    monkeypatch.setattr(signing.Config, "sign", after_an_exchange)
    signature.sign(keys[0], recorded)
    assert [problem.split("; ")[0] for problem in _problems(keys, recorded)] == [
        "models/planes.keras: altered",
        "models/structures.pt: altered",
    ]


def test_whoever_got_the_models_alone_can_verify_them(signed, keys):
    (signed / "dvc.lock").unlink()
    assert _problems(keys, signed) == []
    for path in (signed / "models").glob("*.sig"):
        path.unlink()
    with pytest.raises(SonotraceError, match=r"^dvc\.lock: not there, and no signature in models; "):
        _problems(keys, signed)


def test_a_public_key_of_an_unknown_kind_is_an_error(signed, keys, tmp_path):
    lines = keys[1].read_text().splitlines()
    known, other = bytes.fromhex("2a8648ce3d0201"), bytes.fromhex("2a8648ce3d4201")
    content = base64.b64decode("".join(lines[1:-1])).replace(known, other)
    (tmp_path / "other.pem").write_text(f"{lines[0]}\n{base64.b64encode(content).decode()}\n{lines[-1]}\n")
    with pytest.raises(SonotraceError, match=r"other\.pem: not a public key on P-256"):
        list(signature.problems(tmp_path / "other.pem", signed))
