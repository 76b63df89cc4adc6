"""Models and data go to a DVC remote and come back from it, whatever kind it is and wherever it breaks off."""

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkouts import Checkout, stages_run
from stores import STORES, Folder, interrupted, store

KINDS = [
    pytest.param(kind, marks=pytest.mark.skipif(bool(one.missing), reason=one.missing or "there"))
    for kind, one in STORES.items()
]


@pytest.fixture(scope="module", params=KINDS)
def remote(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    with store(request.param, tmp_path_factory.mktemp("store") / "s") as made:
        yield made


@pytest.fixture(scope="module")
def pushed(remote: Folder, finished: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a finished run whose first push was broken off in the middle, with a model that is released."""
    checkout = finished.copy(tmp_path_factory.mktemp("pushed"))
    remote.add_to(checkout)
    remote.log_in(checkout)
    interrupted(checkout, remote, after=30)
    if remote.kind != "folder":
        remote.revive()
    before = len(remote.names())
    checkout.run("dvc", "push", online=True)
    assert len(remote.names()) > before, "the first push was not broken off"
    checkout.run("git", "tag", "--annotate", "planes@v1.0.0", "--message", "Release")
    return checkout


def _elsewhere(pushed: Checkout, remote: Folder, into: Path) -> Checkout:
    """Clone what is committed onto another machine: another path, another home folder, no DVC cache."""
    made = Checkout(into / "other path", into / "home")
    made.home.mkdir()
    subprocess.run(["git", "clone", "--quiet", pushed.path, made.path], check=True)
    remote.log_in(made)
    return made


def test_after_a_broken_push_the_next_one_completes_and_nothing_is_damaged(pushed: Checkout, remote: Folder) -> None:
    assert pushed.path.is_dir()
    assert remote.damaged() == []
    assert len([name for name in remote.names() if "tmp" in name]) <= 8, "at most what was being written"


def test_a_clone_elsewhere_pulls_and_has_nothing_to_do(pushed: Checkout, remote: Folder, tmp_path: Path) -> None:
    other = _elsewhere(pushed, remote, tmp_path)
    other.run("dvc", "pull", online=True)
    assert stages_run(other.run("dvc", "repro")) == []
    for name in ("planes.keras", "structures.pt", "planes.onnx"):
        assert (other.path / "models" / name).read_bytes() == (pushed.path / "models" / name).read_bytes()


def test_only_what_a_stage_needs_is_fetched(pushed: Checkout, remote: Folder, tmp_path: Path) -> None:
    other = _elsewhere(pushed, remote, tmp_path)
    other.set_params({"prepare.structures.width": 90})
    printed = other.run("dvc", "repro", "--pull", "--allow-missing", "prepare@structures", online=True)
    assert stages_run(printed) == ["prepare@structures"]
    for needed in ("data/structures/pull/images", "data/structures/validate/boxes.csv"):
        assert (other.path / needed).exists(), needed
    for needless in ("data/planes/pull/images", "data/structures/augment/images", "models/structures.pt"):
        assert not (other.path / needless).exists(), needless


def test_a_released_model_comes_from_the_remote_with_its_lineage(
    pushed: Checkout, remote: Folder, tmp_path: Path
) -> None:
    other = _elsewhere(pushed, remote, tmp_path)
    copy = tmp_path / "planes.keras"
    where = [str(pushed.path), "planes", "--rev", "v1.0.0", "--out", str(copy), "--remote", "store"]
    shutil.move(pushed.path / ".dvc/cache", tmp_path / "cache")
    try:
        other.run("dvc", "artifacts", "get", *where, *remote.options(), online=True)
    finally:
        shutil.move(tmp_path / "cache", pushed.path / ".dvc/cache")
    assert copy.read_bytes() == (pushed.path / "models/planes.keras").read_bytes()
    told = other.run("sonotrace", "lineage", str(copy))
    assert "train_cnn@planes" in told


def test_an_object_that_was_damaged_there_is_refused_and_can_be_pushed_again(
    pushed: Checkout, remote: Folder, tmp_path: Path
) -> None:
    other = _elsewhere(pushed, remote, tmp_path)
    content = (pushed.path / "models/planes.keras").read_bytes()
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    (name,) = [name for name in remote.names() if name.endswith(f"{md5[:2]}/{md5[2:]}")]
    remote.write(name, content[:-1])
    printed = other.run("dvc", "pull", "models/planes.keras", fails=True, online=True)
    assert "models/planes.keras" in printed or md5 in printed
    assert not (other.path / "models/planes.keras").exists()
    remote.remove(name)  # behind SSH and in S3, `dvc push` takes one for whole that is there
    pushed.run("dvc", "push", online=True)
    assert remote.read(name) == content
    other.run("dvc", "pull", "models/planes.keras", online=True)
    assert (other.path / "models/planes.keras").read_bytes() == content


def test_what_opens_the_remote_is_neither_committed_nor_pushed(pushed: Checkout, remote: Folder) -> None:
    if not remote.secret:
        pytest.skip("a folder has no key")
    assert remote.secret in (pushed.path / ".dvc/config.local").read_text()
    assert pushed.run("git", "grep", "--all-match", "-F", "-e", remote.secret, "HEAD", fails=True) == ""
    assert not [name for name in remote.names() if remote.secret.encode() in remote.read(name)]
