"""A model is used only where the history, a hash file or a signature that the user names vouches for its bytes."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from sonotrace.errors import SonotraceError
from sonotrace.predict.trust import Trust, listed


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("planes.onnx").write_bytes(b"a model")
    return Path("planes.onnx")


def _hashes(content, name="planes.onnx"):
    Path("onnx.sha256").write_text(f"{'0' * 64}  other.onnx\n{hashlib.sha256(content).hexdigest()}  {name}\n")
    return Path("onnx.sha256")


def test_outside_a_checkout_somebody_has_to_be_named(model):
    with pytest.raises(SonotraceError, match=r"^planes\.onnx: nobody vouches for it; .*--hashes.*--key.*--repo"):
        Trust().read(model)
    unknown = Trust(allow_unknown=True).read(model)
    assert (unknown.known, unknown.content) == (False, b"a model")


def test_a_hash_file_vouches_for_bytes_whatever_they_are_called(model):
    assert Trust(hashes=[_hashes(b"a model", "renamed.onnx")]).read(model).known
    with pytest.raises(SonotraceError, match=r"^planes\.onnx: its sha256 [0-9a-f]{64} is not in onnx\.sha256"):
        Trust(hashes=[_hashes(b"another")]).read(model)


def test_allow_unknown_does_not_overrule_a_hash_file_that_was_named(model):
    with pytest.raises(SonotraceError, match="is not in"):
        Trust(hashes=[_hashes(b"another")], allow_unknown=True).read(model)


@pytest.mark.parametrize("text", ["", "planes.onnx\n", f"{'A' * 64}  planes.onnx\n"])
@pytest.mark.usefixtures("model")
def test_other_files_are_no_hash_files(text):
    Path("sums").write_text(text)
    with pytest.raises(SonotraceError, match=r"^sums: no hash file"):
        listed(Path("sums"))
    with pytest.raises(SonotraceError, match=r"^gone: no such hash file"):
        listed(Path("gone"))


def test_a_checkout_vouches_for_what_its_export_wrote_and_for_nothing_else(model):
    md5 = hashlib.md5(b"a model", usedforsecurity=False).hexdigest()
    Path("dvc.lock").write_text(
        "schema: '2.0'\nstages:\n  export_onnx@planes:\n    cmd: export\n    outs:\n"
        f"    - path: models/planes.onnx\n      hash: md5\n      md5: {md5}\n      size: 7\n"
    )
    trusted = Trust().read(model)
    assert (trusted.known, trusted.committed) == (True, False)
    model.write_bytes(b"changed")
    with pytest.raises(SonotraceError, match=r"^planes\.onnx: unknown: no dvc\.lock"):
        Trust().read(model)


def test_a_signature_vouches_for_the_bytes_it_was_made_over(model):
    from model_signing import signing

    for command in ("ecparam -genkey -name prime256v1 -noout -out key.pem", "ec -in key.pem -pubout -out public.pem"):
        subprocess.run(["openssl", *command.split()], check=True, capture_output=True)
    trust = Trust(key=Path("public.pem"))
    with pytest.raises(SonotraceError, match=r"^planes\.onnx\.sig: missing"):
        trust.read(model)
    signing.Config().use_elliptic_key_signer(private_key=Path("key.pem")).sign(model, Path("planes.onnx.sig"))
    assert trust.read(model).content == b"a model"
    model.write_bytes(b"changed")
    with pytest.raises(SonotraceError, match=r"^planes\.onnx: altered"):
        trust.read(model)
