"""Files of tensors are read as PyTorch means them, and nothing in them is run."""

import io
import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest

from sonotrace.models.tensors import tensors


def _saved(content):
    torch = pytest.importorskip("torch")
    buffer = io.BytesIO()
    made = OrderedDict((name, torch.tensor(value)) for name, value in content.items())
    if "kernel" in made:
        made["turned"] = made["kernel"].permute(3, 2, 0, 1)
    torch.save(made, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def test_tensors_come_back_as_they_were_saved():
    kernel = np.random.default_rng(1).normal(size=(3, 4, 2, 5)).astype(np.float32)
    found = tensors(_saved({"kernel": kernel, "count": np.int64(7)}))
    assert (found["kernel"] == kernel).all()
    assert (found["turned"] == kernel.transpose(3, 2, 0, 1)).all()
    assert found["count"] == 7


class Bomb:
    def __reduce__(self):
        return os.system, ("touch exploded",)


@pytest.mark.parametrize("at", [0, 3])
def test_a_pickle_that_names_anything_else_is_refused_and_not_run(tmp_path, monkeypatch, at):
    monkeypatch.chdir(tmp_path)
    begun = [0x1950A86A20F9469CFC6C, 1001, {}]
    content = b"".join(pickle.dumps(part, 2) for part in [*begun[:at], Bomb()])
    with pytest.raises(ValueError, match="it names posix"):
        tensors(content)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"something else", pickle.dumps({"a": 1})])
def test_other_files_are_refused(content):
    with pytest.raises(ValueError, match="not a file of"):
        tensors(content)


def test_a_tensor_beyond_what_is_stored_is_refused():
    whole = _saved({"kernel": np.ones((2, 2, 2, 2), np.float32)})
    with pytest.raises(ValueError, match="not a file of tensors"):
        tensors(whole[:-8])
