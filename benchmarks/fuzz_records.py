"""Targets of `fuzz.py`: parameters, records, small tables, ONNX models and their signatures.

Other model files are read only after their hash was checked.
"""

import contextlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fuzz_inputs import ALIASES, DEEP, GREY, SHA, Made, joined, parted, reported, target
from measure import REPOSITORY


@target
def params(at: Path) -> Made:
    """params.yaml."""
    from sonotrace.params import load

    whole = (REPOSITORY / "params.yaml").read_bytes()
    bare = re.sub(rb" *#.*", b"", whole)
    shared = bare.replace(b"planes:", b"planes: &p", 1).replace(b"structures:", b"structures: *p", 1)
    seeds = [bare, whole, shared, ALIASES, DEEP, bare + b"x: !!timestamp 2001-01-01\n? [a, b]\n: !!int 0x1\n"]

    def run(content: bytes) -> None:
        (at / "params.yaml").write_bytes(content)
        load(at / "params.yaml")

    return run, seeds


@target
def lock(at: Path) -> Made:
    """dvc.lock, and the .dvc file of a DICOM folder."""
    from sonotrace.intake.take_in import _keep_from_remotes
    from sonotrace.records import lock as locks

    part = (REPOSITORY / "dvc.lock").read_bytes()[:3000]
    seeds = [part[: part.rindex(b"\n  ") + 1], b"schema: '2.0'\nstages:\n", DEEP * 4]
    seeds += [b"outs:\n- md5: x.dir\n  path: a\n  push: false\n"]
    seeds += [b"stages:\n  a:\n    cmd: x\n    deps:\n    - {path: d, md5: e}\n    params: {params.yaml: {a.b: 1}}\n"]

    def run(content: bytes) -> None:
        with reported():
            steps = locks.read(content)
            locks.learned(steps)
            for name, step in steps.items():
                locks.ancestors(steps, name), step.links, locks.models(step), locks.exports(step)
        (at / "x.dvc").write_bytes(content)
        _keep_from_remotes(at / "x")

    return run, seeds


@target
def tables(at: Path) -> Made:
    """Small files from git, or next to a model: tables, pins, ledgers, hash files; the first line says which."""
    from sonotrace import kinds
    from sonotrace.intake import pins
    from sonotrace.labels.corrections import Corrections
    from sonotrace.patients import ledger, pseudonyms, withdrawals
    from sonotrace.predict.trust import listed
    from sonotrace.tables import read_table

    os.environ[pseudonyms.VARIABLE] = "k" * 32
    pseudonyms.record()
    readers: dict[str, Callable[[Path], object]] = {
        "table": read_table,
        "corrections": lambda path: Corrections("planes", kinds.KINDS["planes"], path),
        "withdrawn": lambda path: withdrawals.Withdrawals(path).hold("1"),
        "ledger": ledger_of(ledger),
        "pin.json": lambda path: pins.read(path.parent),
        "files.csv": lambda path: pins.read_files(path.parent),
        "sha256": listed,
        "patient-key": pseudonyms.has_check_value,
    }
    pin = {"version": "v", "fingerprint": "f", "licence": "l", "archives": {"a.zip": "md5:0"}}
    contents = {
        "table": b"image,file,width,x0,confidence\na,a.png,3,1.5,\n",
        "corrections": b"data_set,sha256,old,new,reviewer,date,note\n"
        b"planes," + SHA.encode() + b",brain,femur,A,2026-11-26,n\n",
        "withdrawn": b"patient,reason,date\n0123456789abcdef0123,asked,2026-01-01\n",
        "ledger": b"patient,hash,people,state\n0123456789abcdef0123,keyed,real,held\n",
        "pin.json": json.dumps(pin).encode(),
        "files.csv": f"file,sha256\na.png,{SHA}\n".encode(),
        "sha256": f"{SHA}  planes.onnx\n".encode(),
        "patient-key": b'{"check": "00"}',
    }

    def run(content: bytes) -> None:
        for name, part in parted(content)[:2]:
            if name in readers:
                path = at / (name if "." in name else "read")
                path.write_bytes(part)
                with reported():
                    readers[name](path)

    return run, [joined({name: content}) for name, content in contents.items()]


def ledger_of(ledger: Any) -> Callable[[Path], object]:
    return lambda path: ledger.text_of(ledger.parse(path.read_text(encoding="utf-8", errors="replace"), path))


@target
def onnx_model(_: Path) -> Made:
    """ONNX files of unknown origin: their metadata, which is JSON, and their bytes."""
    import onnx
    import tiny_models

    from sonotrace.portable import reading

    kinds: tuple[Any, ...] = (reading.PortableClassifier, reading.PortableDetector)
    models = list(zip((tiny_models.classifier(), tiny_models.detector()), kinds, strict=True))
    whole = [content for content, _ in models]

    def run(content: bytes) -> None:
        bare, kind = models[len(content) % 2]
        if content.startswith(b"{"):
            with contextlib.suppress(UnicodeDecodeError):
                content = with_entry(bare, content.decode())
        model = kind(content, Path("a.onnx"))
        looked = [model.preparation.apply(GREY)]
        with reported():
            model.answers(looked) if isinstance(model, reading.PortableClassifier) else model.detect(looked, 0.1)

    def with_entry(content: bytes, entry: str) -> bytes:
        model = onnx.load_from_string(content)
        model.metadata_props[0].value = entry
        return bytes(model.SerializeToString())

    entries = [onnx.load_from_string(one).metadata_props[0].value.encode() for one in whole]
    return run, [*whole, *entries, *(one + b" " for one in [*whole, *entries])]


@target
def signature(at: Path) -> Made:
    """The signature of a model, and the public key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from model_signing import signing

    from sonotrace.export.signed import problem

    key, model = ec.generate_private_key(ec.SECP256R1()), at / "a.onnx"
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (at / "key.pem").write_bytes(key.private_bytes(*form))
    public = key.public_key().public_bytes(form[0], serialization.PublicFormat.SubjectPublicKeyInfo)
    model.write_bytes(b"model")
    signing.Config().use_elliptic_key_signer(private_key=at / "key.pem").sign(model, at / "a.sig")

    def run(content: bytes) -> None:
        files = {"a.sig": (at / "good.sig").read_bytes(), "pub.pem": public} | dict(parted(content))
        for name in ("a.sig", "pub.pem"):
            (at / name).write_bytes(files[name])
        said = problem(model, at / "a.sig", at / "pub.pem", Path("a.onnx"))
        assert said.isprintable()

    (at / "good.sig").write_bytes((at / "a.sig").read_bytes())
    return run, [joined({"a.sig": (at / "good.sig").read_bytes()}), joined({"pub.pem": public})]
