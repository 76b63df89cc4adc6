"""A new snapshot costs what changed, and its result is the one that a run from nothing gives."""

import hashlib
import re
import shutil
import tomllib
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from cached import store
from hypothesis import given, settings
from hypothesis import strategies as st

from sonotrace.checks import decoding
from sonotrace.images import augmentation, boxes, copies, preparation, prepared
from sonotrace.images import grey as images
from sonotrace.images.packs import stored_in
from sonotrace.places import folder as stage_folder
from sonotrace.running import item_cache
from sonotrace.running.item_cache import ItemCache
from sonotrace.stages import augment, prepare, pull, split, validate

TOP = Path(__file__).parents[2]
STAGES = {"pull": pull, "validate": validate, "split": split, "prepare": prepare, "augment": augment}
PLANES = ("Fetal abdomen", "Fetal brain", "Fetal femur", "Fetal thorax")


def _png(number):
    image = np.random.default_rng(number).integers(0, 256, (12 + number % 5, 16), np.uint8)
    return cv2.imencode(".png", image)[1].tobytes()


def _write_snapshot(work, snapshot):
    """Lay the snapshot out: name -> (number of its picture, plane)."""
    place = work / "data/incoming/planes"
    shutil.rmtree(place, ignore_errors=True)
    (place / "images").mkdir(parents=True)
    for name, (number, _) in snapshot.items():
        (place / "images" / f"{name}.png").write_bytes(_png(number))
    rows = "".join(f"{name},{PLANES[plane]}\n" for name, (_, plane) in snapshot.items())
    (place / "image_label.csv").write_text(f"Image_name,Plane\n{rows}")


def _run(work):
    """Run the stages as DVC does: outputs go before a stage runs, and into the cache when it has."""
    for name, stage in STAGES.items():
        shutil.rmtree(work / stage_folder("planes", name), ignore_errors=True)
        stage.run("planes")
        if (work / ".dvc").is_dir():
            store(work, work / stage_folder("planes", name))


def _contents(work):
    return {
        path.relative_to(work).as_posix(): path.read_bytes()
        for below in ("data/planes", "reports/planes")
        for path in sorted((work / below).rglob("*"))
        if path.is_file()
    }


def _set(work, values):
    content = yaml.safe_load((TOP / "params.yaml").read_text())
    content["pull"]["planes"]["source"] = "incoming"
    content["prepare"]["planes"] |= {"width": 32, "height": 32}
    content["augment"]["planes"] |= {"copies": 2}
    for key, value in values.items():
        section, last = key.split(".")
        content[section]["planes"][last] = value
    (work / "params.yaml").write_text(yaml.safe_dump(content))


def _lay_out(work, *, dvc):
    (work / "data").mkdir(parents=True)
    for table in ("corrections.csv", "withdrawn.csv"):
        shutil.copyfile(TOP / "data" / table, work / "data" / table)
    if dvc:
        (work / ".dvc").mkdir()


CHANGES = st.sampled_from(["add", "remove", "relabel", "replace", "rename", "parameter", "revert"])
PARAMETERS = [
    {"prepare.aspect": "letterbox"},
    {"augment.seed": 2},
    {"augment.copies": 3},
    {"augment.rotation": [0, 3]},
    {"split.salt": "other"},
    {"prepare.mask_overlays": True},
]


def _changed(snapshot, values, change, pick, new):
    """Return snapshot and parameters after one change; `pick` chooses what it hits, `new` is a number not used yet."""
    snapshot, names = dict(snapshot), sorted(snapshot)
    name = names[pick % len(names)]
    number, plane = snapshot[name]
    if change == "add":
        snapshot[f"Patient{new:03}_1"] = (new, new % 4)
    elif change == "remove" and len(names) > 20:
        del snapshot[name]
    elif change == "relabel":
        snapshot[name] = (number, (plane + 1) % 4)
    elif change == "replace":
        snapshot[name] = (new, plane)
    elif change == "rename":
        snapshot[f"{name}x"] = snapshot.pop(name)
    elif change == "parameter":
        values = PARAMETERS[pick % len(PARAMETERS)]
    return snapshot, values


@settings(max_examples=8)
@given(changes=st.lists(st.tuples(CHANGES, st.integers(0, 40)), min_size=1, max_size=5))
def test_after_any_changes_the_result_is_that_of_a_run_from_nothing(tmp_path_factory, changes):
    work = tmp_path_factory.mktemp("incremental")
    _lay_out(work, dvc=True)
    states = [({f"Patient{number:03}_0": (number, number % 4) for number in range(24)}, {})]
    with pytest.MonkeyPatch.context() as patch:
        for step, (change, pick) in enumerate([("start", 0), *changes]):
            if change == "revert":
                states.append(states[pick % len(states)])
            elif change != "start":
                states.append(_changed(*states[-1], change, pick, 100 + step))
            snapshot, values = states[-1]
            patch.chdir(work)
            _write_snapshot(work, snapshot)
            _set(work, values)
            _run(work)
            fresh = tmp_path_factory.mktemp("full")
            _lay_out(fresh, dvc=False)
            patch.chdir(fresh)
            _write_snapshot(fresh, snapshot)
            _set(fresh, values)
            _run(fresh)
            assert _contents(work) == _contents(fresh)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the stages on a snapshot, and return how many images each stage made anew."""
    work = tmp_path / "work"
    _lay_out(work, dvc=True)
    monkeypatch.chdir(work)

    def go(snapshot, values=None):
        _write_snapshot(work, snapshot)
        _set(work, values or {})
        capsys.readouterr()
        _run(work)
        lines = capsys.readouterr().out.splitlines()
        made = {}
        for stage, word in (("validate", " decoded, "), ("prepare", " made, "), ("augment", " made, ")):
            line = next(line for line in lines if line.startswith(f"{stage}: ") and word in line)
            made[stage] = int(line.split()[1])
        return made

    return go


def _prepared(image):
    """Return the file that holds a prepared image."""
    return stored_in(Path("data/planes/prepare/images"))[image].file


SNAPSHOT = {f"Patient{number:03}_0": (number, number % 4) for number in range(24)}
NOTHING = {"validate": 0, "prepare": 0, "augment": 0}


def test_each_change_costs_what_it_changed(run):
    first = run(SNAPSHOT)
    assert first == {"validate": 24, "prepare": 24, "augment": first["augment"]}
    assert first["augment"] > 20
    assert run(SNAPSHOT) == NOTHING
    assert run({name: (number, (plane + 1) % 4) for name, (number, plane) in SNAPSHOT.items()}) == NOTHING
    added = run(SNAPSHOT | {"Patient100_0": (100, 0)})
    assert (added["validate"], added["prepare"]) == (1, 1)
    assert added["augment"] in {0, 2}
    assert run(SNAPSHOT) == NOTHING
    assert run(SNAPSHOT, {"augment.seed": 2}) == NOTHING | {"augment": first["augment"]}
    assert run(SNAPSHOT, {"augment.copies": 3}) == NOTHING | {"augment": first["augment"] // 2 * 3}
    assert run(SNAPSHOT, {"prepare.width": 48}) == first | {"validate": 0}
    assert run(SNAPSHOT) == NOTHING


def test_a_renamed_file_is_not_checked_again(run):
    first = run(SNAPSHOT)
    assert run({f"{name}_renamed": value for name, value in SNAPSHOT.items()}) == first | {"validate": 0}


def test_another_image_of_a_patient_has_only_their_images_made_anew(run):
    run(SNAPSHOT)
    assert run(SNAPSHOT | {"Patient003_1": (100, 0)}) == {"validate": 1, "prepare": 2, "augment": 4}


@pytest.mark.parametrize("harm", ["alter", "shorten", "remove"])
def test_a_damaged_object_is_noticed_and_made_again(run, harm):
    run(SNAPSHOT)
    before = _contents(Path())
    prepared = _prepared("Patient003_0").read_bytes()
    md5 = hashlib.md5(prepared, usedforsecurity=False).hexdigest()
    at = Path(".dvc/cache/files/md5") / md5[:2] / md5[2:]
    content = at.read_bytes()
    at.unlink()
    if harm != "remove":
        at.write_bytes(content[:-1] + (b"" if harm == "shorten" else bytes([content[-1] ^ 1])))
    assert run(SNAPSHOT) == NOTHING | {"prepare": 1}
    assert _contents(Path()) == before
    assert at.read_bytes() == content


def test_an_index_that_is_cut_short_or_gone_only_costs_time(run):
    first = run(SNAPSHOT)
    before = _contents(Path())
    for index in sorted(Path(".dvc/cache/sonotrace").rglob("*")):
        if index.is_file():
            index.write_bytes(index.read_bytes()[:-40])
    made = run(SNAPSHOT)
    assert made["prepare"] == 1
    assert _contents(Path()) == before
    shutil.rmtree(".dvc/cache/sonotrace")
    assert run(SNAPSHOT) == first
    assert _contents(Path()) == before


def test_other_code_makes_results_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _lay_out(tmp_path / "work", dvc=True)
    module = type(shutil)("module")
    module.__file__ = str(tmp_path / "module.py")
    for code, expected in (("one", 1), ("one", 0), ("other", 1), ("one", 0)):
        Path(module.__file__).write_text(code)
        with ItemCache("stage", [module], None, tmp_path / "work") as cache:
            assert cache.text("item", lambda code=code: code) == code
        assert cache.made == expected


@pytest.mark.parametrize(
    ("module", "again"),
    [
        (images, {"validate", "prepare", "augment"}),
        (decoding, {"validate"}),
        (preparation, {"prepare"}),
        (prepared, {"prepare"}),
        (augmentation, {"augment"}),
        (boxes, {"augment"}),
        (copies, {"augment"}),
    ],
)
def test_changed_code_of_a_stage_has_its_images_made_anew(run, monkeypatch, tmp_path, module, again):
    first = run(SNAPSHOT)
    changed = tmp_path / "changed.py"
    changed.write_bytes(Path(module.__file__).read_bytes() + b"\n")
    monkeypatch.setattr(module, "__file__", str(changed))
    assert run(SNAPSHOT) == {stage: made if stage in again else 0 for stage, made in first.items()}


def test_another_version_of_a_library_makes_results_of_its_own(tmp_path, monkeypatch):
    _lay_out(tmp_path, dvc=True)
    for release, expected in (("1", 1), ("1", 0), ("2", 1)):
        monkeypatch.setattr(item_cache, "version", lambda _, release=release: release)
        item_cache._platform.cache_clear()
        with ItemCache("stage", [], None, tmp_path) as cache:
            cache.text("item", lambda: "result")
        assert cache.made == expected
    item_cache._platform.cache_clear()


def test_every_library_that_reads_images_counts():
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.match(r"[\w-]+", line)[0] for line in project}
    readers = {name for name in names if name.startswith(("numpy", "opencv", "pillow", "pydicom", "pylibjpeg"))}
    assert readers == set(item_cache.LIBRARIES)


def test_two_runs_at_the_same_time_note_what_each_made(tmp_path):
    _lay_out(tmp_path, dvc=True)
    with ItemCache("stage", [], None, tmp_path) as one, ItemCache("stage", [], None, tmp_path) as other:
        one.text("a", lambda: "of one")
        other.text("b", lambda: "of the other")
    assert len(list((tmp_path / ".dvc/cache/sonotrace/stage").iterdir())) == 2
    with ItemCache("stage", [], None, tmp_path) as later:
        assert [later.text(item, str) for item in "ab"] == ["of one", "of the other"]


def test_a_run_that_fails_notes_nothing(tmp_path):
    _lay_out(tmp_path / "work", dvc=True)

    def fail():
        with ItemCache("stage", [], None, tmp_path / "work") as cache:
            cache.text("item", lambda: "whole")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not (tmp_path / "work/.dvc/cache/sonotrace").exists()


def test_files_are_linked_only_where_dvc_is_told_to(run):
    run(SNAPSHOT)
    run(SNAPSHOT)
    assert _prepared("Patient003_0").stat().st_nlink == 1


def test_nothing_is_written_through_a_link_into_the_cache(run):
    run(SNAPSHOT)
    Path(".dvc/config").write_text("[cache]\n    type = hardlink,copy\n")
    objects = {path: path.read_bytes() for path in Path(".dvc/cache/files/md5").rglob("*") if path.is_file()}
    run(SNAPSHOT)
    linked = _prepared("Patient003_0")
    assert linked.stat().st_nlink > 1
    run(SNAPSHOT | {"Patient003_0": (500, 1)})
    run(SNAPSHOT, {"prepare.aspect": "letterbox"})
    assert all(path.read_bytes() == content for path, content in objects.items())
