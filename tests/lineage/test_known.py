"""A model is known by its bytes, if a training of this repository wrote them."""

import hashlib
import subprocess
import threading
import time
from pathlib import Path

import pytest
import yaml

from sonotrace.errors import SonotraceError
from sonotrace.lineage.known import refuse_another, refuse_unknown, unknown

PLANES = Path("models/planes.keras")


def _md5(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _lock(**outputs):
    """Write a `dvc.lock` in which each stage wrote one file, given as its path and bytes."""
    stages = {
        stage: {"cmd": "x", "outs": [{"path": path, "md5": _md5(content)}]}
        for stage, (path, content) in outputs.items()
    }
    Path("dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))


def _git(*arguments):
    author = ("-c", "user.name=test", "-c", "user.email=test@sonotrace")
    return subprocess.run(["git", *author, *arguments], capture_output=True, text=True, check=True).stdout.strip()


def _commit():
    _git("add", "--all")
    _git("commit", "--quiet", "--message", "now")


@pytest.fixture
def model(tmp_path, monkeypatch):
    """Stand in a folder with a model that nothing names."""
    monkeypatch.chdir(tmp_path)
    PLANES.parent.mkdir()
    PLANES.write_bytes(b"this model")
    return PLANES


@pytest.fixture
def repository(model):
    """Make the folder a git repository, whose only commit holds no lock."""
    Path(".gitignore").write_text("models\n*.bin\n")
    _git("init", "--quiet")
    _commit()
    return model


def test_a_model_that_the_lock_names_is_known_under_any_name(model, tmp_path):
    _lock(train_cnn=(str(model), b"this model"))
    elsewhere = tmp_path / "found.bin"
    elsewhere.write_bytes(b"this model")
    assert unknown([model, elsewhere], Path()) == []
    elsewhere.write_bytes(b"this modem")
    assert unknown([model, elsewhere], Path()) == [elsewhere]


@pytest.mark.parametrize("reference", ["refs/heads/other", "refs/tags/v1", "refs/exps/ab/cdef/wiry-gnat"])
def test_a_model_of_any_commit_branch_or_experiment_is_known(repository, reference):
    _lock(train_cnn=(str(repository), b"this model"))
    _commit()
    _git("update-ref", reference, "HEAD")
    _git("reset", "--quiet", "--hard", "HEAD^")
    assert not Path("dvc.lock").exists()
    assert unknown([repository], Path()) == []
    _git("update-ref", "-d", reference)
    assert unknown([repository], Path()) == [repository]


def test_only_what_a_training_wrote_is_a_model(repository):
    _lock(pull=("data/planes/pull/images", b"this model"), train_cnn=(str(repository), b"another"))
    _commit()
    assert unknown([repository], Path()) == [repository]


@pytest.mark.parametrize("text", ["", "stages: [", "- 1\n", "stages:\n  train_cnn: 5\n"])
def test_a_lock_that_cannot_be_read_knows_nothing(repository, text):
    Path("dvc.lock").write_text(text)
    _commit()
    assert unknown([repository], Path()) == [repository]


def test_an_unknown_model_is_refused_by_name_and_md5(model):
    with pytest.raises(SonotraceError) as caught:
        refuse_unknown([model], Path())
    assert str(caught.value).startswith(f"{model}: unknown: ")
    assert _md5(b"this model") in str(caught.value)
    assert "--allow-unknown" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_for_its_reader_to_report(model):
    missing = model.with_name("no.keras")
    assert unknown([missing], Path()) == []
    refuse_another(missing, Path(), patience=0)


def test_evaluation_takes_the_model_that_the_lock_names_for_it_and_no_other(repository):
    _lock(train_cnn=(str(repository), b"this model"))
    _commit()
    refuse_another(repository, Path(), patience=0)
    _lock(train_cnn=(str(repository), b"a later one"))
    assert unknown([repository], Path()) == []
    with pytest.raises(SonotraceError, match=r"not the model that dvc\.lock names .*dvc checkout models/planes\.keras"):
        refuse_another(repository, Path(), patience=0)
    _lock(train_cnn=("models/other.keras", b"this model"))
    with pytest.raises(SonotraceError, match="not the model"):
        refuse_another(repository, Path(), patience=0)


def test_a_lock_that_another_stage_is_writing_is_waited_for(model):
    Path("dvc.lock").write_text("stages:\n  train_cnn:\n    outs:\n    - path: mod")

    def finish():
        time.sleep(0.4)
        _lock(train_cnn=(str(model), b"this model"))

    writer = threading.Thread(target=finish)
    writer.start()
    refuse_another(model, Path())
    writer.join()
