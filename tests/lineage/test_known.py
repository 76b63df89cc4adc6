"""A model is known by its bytes, if a training of this repository wrote them; the bytes that are checked are loaded."""

import hashlib
import subprocess
import threading
import time
from pathlib import Path

import pytest
import yaml

from sonotrace.errors import SonotraceError
from sonotrace.lineage.known import read_current, read_model

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


def _is_known(path):
    return read_model(path, Path(), allow_unknown=True).known


def test_a_model_that_the_lock_names_is_known_under_any_name(model, tmp_path):
    _lock(train_cnn=(str(model), b"this model"))
    elsewhere = tmp_path / "found.bin"
    elsewhere.write_bytes(b"this model")
    assert _is_known(model)
    assert _is_known(elsewhere)
    elsewhere.write_bytes(b"this modem")
    assert not _is_known(elsewhere)


@pytest.mark.parametrize("training", ["train_cnn", "train_cnn@planes"])
def test_both_names_that_a_training_has_had_are_known(model, training):
    _lock(**{training: (str(model), b"this model")})
    assert _is_known(model)


@pytest.mark.parametrize("reference", ["refs/heads/other", "refs/tags/v1", "refs/exps/ab/cdef/wiry-gnat"])
def test_a_model_of_any_commit_branch_or_experiment_is_known(repository, reference):
    _lock(train_cnn=(str(repository), b"this model"))
    _commit()
    _git("update-ref", reference, "HEAD")
    _git("reset", "--quiet", "--hard", "HEAD^")
    assert not Path("dvc.lock").exists()
    assert _is_known(repository)
    _git("update-ref", "-d", reference)
    assert not _is_known(repository)


def test_a_lock_that_is_not_committed_is_believed_with_a_warning(repository):
    _lock(train_cnn=(str(repository), b"this model"))
    model = read_model(repository, Path())
    assert (model.committed, model.known) == (False, True)
    assert model.warning == "models/planes.keras: named only by the uncommitted dvc.lock; commit it"
    _commit()
    model = read_model(repository, Path())
    assert (model.committed, model.known, model.warning) == (True, True, "")


def test_the_bytes_are_those_that_were_checked_whatever_the_file_holds_by_then(repository):
    _lock(train_cnn=(str(repository), b"this model"))
    _commit()
    models = [read_model(repository, Path()), read_current(repository, Path(), patience=0)]
    repository.write_bytes(b"something evil")
    assert [model.content for model in models] == [b"this model"] * 2
    assert [model.md5 for model in models] == [_md5(b"this model")] * 2


def test_only_what_a_training_wrote_is_a_model(repository):
    _lock(pull=("models/planes.keras", b"this model"), train_cnn=(str(repository), b"another"))
    _commit()
    assert not _is_known(repository)
    _lock(train_cnn=("plots/train_cnn/planes.csv", b"this model"))
    _commit()
    assert not _is_known(repository)


@pytest.mark.parametrize(
    "text", ["", "stages: [", "- 1\n", "stages:\n  train_cnn: 5\n", "stages:\n  train_cnn:\n    5\n"]
)
def test_a_lock_that_cannot_be_read_knows_nothing(repository, text):
    Path("dvc.lock").write_text(text)
    _commit()
    assert not _is_known(repository)


def test_an_unknown_model_is_refused_by_name_and_md5_unless_it_is_allowed(model):
    with pytest.raises(SonotraceError) as caught:
        read_model(model, Path())
    assert str(caught.value).startswith(f"{model}: unknown: ")
    assert _md5(b"this model") in str(caught.value)
    assert "--allow-unknown" in str(caught.value)
    assert "\n" not in str(caught.value)
    for read in (read_model, read_current):
        allowed = read(model, Path(), allow_unknown=True)
        assert (allowed.content, allowed.known, allowed.committed) == (b"this model", False, False)
        assert allowed.warning == "models/planes.keras: no dvc.lock names this model (--allow-unknown)"


def test_a_file_that_is_not_there_is_named(model):
    for read in (read_model, read_current):
        with pytest.raises(SonotraceError, match=r"^models/no\.keras: no such model; `dvc repro` makes it"):
            read(model.with_name("no.keras"), Path())


def test_evaluation_takes_the_model_that_the_lock_names_for_it_and_no_other(repository):
    _lock(train_cnn=(str(repository), b"this model"))
    _commit()
    read_current(repository, Path(), patience=0)
    _lock(train_cnn=(str(repository), b"a later one"))
    assert _is_known(repository)
    with pytest.raises(SonotraceError, match=r"not the model that dvc\.lock names .*dvc checkout models/planes\.keras"):
        read_current(repository, Path(), patience=0)
    _lock(train_cnn=("models/other.keras", b"this model"))
    with pytest.raises(SonotraceError, match="not the model"):
        read_current(repository, Path(), patience=0)


def test_a_lock_that_another_stage_is_writing_is_waited_for(model):
    Path("dvc.lock").write_text("stages:\n  train_cnn:\n    outs:\n    - path: mod")

    def finish():
        time.sleep(0.4)
        _lock(train_cnn=(str(model), b"this model"))

    writer = threading.Thread(target=finish)
    writer.start()
    assert read_current(model, Path()).content == b"this model"
    writer.join()


@pytest.mark.usefixtures("repository")
def test_a_checkout_below_gits_top_folder_knows_its_models(monkeypatch):
    below = Path("us")
    (below / ".dvc").mkdir(parents=True)
    (below / ".dvc/config").touch()
    (below / "models").mkdir()
    (below / PLANES).write_bytes(b"this model")
    monkeypatch.chdir(below)
    _lock(train_cnn=(str(PLANES), b"this model"))
    _commit()
    assert read_model(PLANES, Path()).committed
