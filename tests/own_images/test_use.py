"""`sonotrace use`: one's own images are checked, put in place and set, or nothing changes."""

import copy
import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from dicom_files import dicom
from turned_copies import drawn, turn
from typer.testing import CliRunner

from sonotrace.cli import app
from sonotrace.errors import SonotraceError
from sonotrace.kinds.structures import STRUCTURES
from sonotrace.own_images.command import Wishes, use, use_phantom
from sonotrace.own_images.presets import REAL
from sonotrace.params import load
from sonotrace.stages import pull, validate
from sonotrace.tables import read_table

YES = Wishes([], replace=False, dry_run=False, confirm=lambda: True)
IN_PLACE = Path("data/incoming/planes")
pytestmark = pytest.mark.usefixtures("checkout")
PLANES = ("abdomen", "brain", "femur", "thorax")


def git(*arguments):
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    return subprocess.run(["git", *author, *arguments], check=True, capture_output=True, text=True).stdout


def write_image(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(seed).integers(0, 255, (40, 60), dtype=np.uint8)
    assert cv2.imwrite(str(path), image)


def state(folder: Path):
    """Return all files of a checkout with their bytes, without what tools keep."""
    kept = {".git", ".dvc", ".sonotrace"}
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and not kept & set(file.relative_to(folder).parts)
    }


@pytest.fixture
def checkout(work):
    """Stand in a new checkout."""
    (work / "data/patient-key.json").write_text("{}\n")
    (work / ".gitignore").write_text("/.sonotrace/\n/data/planes/\n/data/structures/\n")
    git("init", "--quiet")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], check=True)
    git("add", "--all")
    git("commit", "--quiet", "--message", "New")
    return work


@pytest.fixture
def offered(tmp_path_factory):
    """Return a folder of 24 labelled planes of 12 patients, outside the checkout."""
    folder = tmp_path_factory.mktemp("offered") / "mine"
    rows = ["Image_name,Plane"]
    for number in range(24):
        name = f"Patient{number // 2:05}_Plane_{number}"
        write_image(folder / f"images/{name}.png", number)
        rows.append(f"{name},Fetal {PLANES[number % 4]}")
    (folder / "image_label.csv").write_text("\n".join(rows) + "\n")
    return folder


def _fails(data_set, path, wishes=YES):
    before = state(Path())
    with pytest.raises(SonotraceError) as caught:
        use(data_set, path, wishes)
    assert "\n" not in str(caught.value)
    assert state(Path()) == before, "something was changed"
    assert not list(Path(".sonotrace").glob("*.part"))
    return str(caught.value)


def _wishes(*settings, **others):
    return dataclasses.replace(YES, settings=list(settings), **others)


def _commit():
    git("add", "--all")
    git("commit", "--quiet", "--message", "Own images")


def test_the_run_takes_up_what_was_put_in_place(offered, capsys):
    shipped = Path("params.yaml").read_text().splitlines()
    use("planes", offered, YES)
    printed = capsys.readouterr().out
    assert "24 of 24 can be used" in printed
    assert "patients    12, 2 images each" in printed
    assert "classes     abdomen 6, brain 6, femur 6, thorax 6" in printed
    assert "-    source: phantom " in printed
    assert "+    source: incoming " in printed
    assert load().pull["planes"].source == "incoming"
    assert load().train_cnn["planes"].epochs == 8
    changed = [line for line in Path("params.yaml").read_text().splitlines() if line not in shipped]
    keys = {line.split()[0].rstrip(":") for line in changed}
    assert {"source", "epochs", "batch", "architecture", "weights"} <= keys
    assert keys <= {"source"} | {key.rpartition(".")[2] for key in REAL["planes"]}
    pull.run("planes")
    validate.run("planes")
    assert len(read_table(Path("data/planes/validate/accepted.csv"))) == 24
    assert "data/incoming/planes.dvc" in git("status", "--porcelain", "--untracked-files=all")
    assert "images" not in git("status", "--porcelain", "--untracked-files=all")


@pytest.mark.parametrize("form", ["zip", "gztar"])
def test_an_archive_is_put_in_place_unpacked(offered, form):
    use("planes", Path(shutil.make_archive(str(offered), form, offered)), YES)
    assert state(IN_PLACE) == state(offered)


def test_a_dry_run_and_a_no_change_nothing(checkout, offered, capsys):
    before = state(checkout)
    for wishes in (_wishes(dry_run=True), _wishes(confirm=lambda: False)):
        use("planes", offered, wishes)
        assert "nothing was changed" in capsys.readouterr().out
    assert state(checkout) == before


def test_doing_it_again_changes_nothing(checkout, offered):
    use("planes", offered, YES)
    before = state(checkout)
    use("planes", offered, YES)
    assert state(checkout) == before
    use("planes", IN_PLACE, YES)
    assert state(checkout) == before


def test_going_back_to_the_phantom_restores_the_parameters_and_keeps_the_images(offered):
    shipped = Path("params.yaml").read_bytes()
    use("planes", offered, _wishes("validate.planes.conflicting_labels=quarantine"))
    use_phantom("planes", YES)
    assert Path("params.yaml").read_bytes() == shipped
    assert state(IN_PLACE) == state(offered)


def test_the_label_table_is_found_by_its_columns(offered):
    (offered / "image_label.csv").rename(offered / "labels.csv")
    (offered / "other.csv").write_text("a,b\n1,2\n")
    use("planes", offered, YES)
    assert load().pull["planes"].incoming.table == "labels.csv"


def test_of_several_label_tables_the_user_chooses(offered):
    shutil.copy(offered / "image_label.csv", offered / "b.csv")
    (offered / "image_label.csv").rename(offered / "a.csv")
    assert "2 label tables (a.csv, b.csv)" in _fails("planes", offered)
    use("planes", offered, _wishes("pull.planes.incoming.table=b.csv"))
    assert load().pull["planes"].incoming.table == "b.csv"


def test_names_without_a_patient_stop_it_and_a_pattern_is_suggested(offered, capsys):
    for file in sorted((offered / "images").iterdir()):
        file.rename(file.with_name(file.name.replace("Patient", "case-")))
    table = offered / "image_label.csv"
    table.write_text(table.read_text().replace("Patient", "case-"))
    assert "finds no patient in 24 of 24 names, such as case-00000_Plane_0" in _fails("planes", offered)
    assert "try -S 'pull.planes.patient_pattern=case-(?P<patient>[0-9]+)'" in capsys.readouterr().out
    use("planes", offered, _wishes("pull.planes.patient_pattern=case-(?P<patient>[0-9]+)"))
    assert "patients    12, 2 images each" in capsys.readouterr().out


def test_identical_images_with_different_labels_stop_it(offered, capsys):
    images = sorted((offered / "images").iterdir())
    shutil.copyfile(images[0], images[1])
    message = _fails("planes", offered)
    assert "2 identical images have different labels" in message
    assert "-S validate.planes.conflicting_labels=quarantine" in message
    wishes = _wishes("validate.planes.conflicting_labels=quarantine", "validate.planes.max_quarantined=0.1")
    use("planes", offered, wishes)
    assert "2 conflicting labels, first: Patient00000_Plane_0" in capsys.readouterr().out


def test_too_much_in_quarantine_stops_it(offered):
    for file in sorted((offered / "images").iterdir())[:3]:
        file.write_bytes(b"no image")
    assert "3 of 24 rows would be quarantined, more than validate.planes.max_quarantined = 0.05" in _fails(
        "planes", offered
    )


def test_images_of_classes_out_of_scope_alone_stop_it(offered):
    table = offered / "image_label.csv"
    head, *rows = table.read_text().splitlines()
    table.write_text("\n".join([head, *(f"{row.split(',')[0]},Other" for row in rows)]))
    assert "set validate.planes.classes: six" in _fails("planes", offered)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: None, "no such folder or archive"),
        (lambda path: path.mkdir(), "no PNG, JPEG, BMP, TIFF or DICOM file in it"),
        (lambda path: path.write_text("hello"), "not a folder and not an archive"),
        (lambda path: write_image(path / "Patient00001_a.png", 1), "no such label table"),
    ],
)
def test_what_holds_no_images_or_labels_is_refused_by_its_name(tmp_path_factory, make, message):
    path = tmp_path_factory.mktemp("wrong") / "given"
    make(path)
    said = _fails("planes", path)
    assert message in said
    assert said.startswith(str(path))


def test_a_broken_archive_is_refused(tmp_path_factory):
    path = tmp_path_factory.mktemp("wrong") / "given.zip"
    path.write_text("hello")
    assert "cannot be unpacked as zip" in _fails("planes", path)


def test_a_wrong_setting_is_refused_before_anything_is_read(offered, capsys):
    assert "train_cnn.planes.epochs is 'many'" in _fails("planes", offered, _wishes("train_cnn.planes.epochs=many"))
    assert "check:" not in capsys.readouterr().out
    with pytest.raises(SonotraceError, match="epochs is 'many'"):
        use_phantom("planes", _wishes("train_cnn.planes.epochs=many"))


def test_other_files_are_replaced_only_if_told_and_only_if_a_commit_has_them(offered):
    use("planes", offered, YES)
    first = state(IN_PLACE)
    write_image(offered / "images/Patient00000_Plane_0.png", 100)
    assert "holds other files; --replace removes them" in _fails("planes", offered)
    assert "that no commit records" in _fails("planes", offered, _wishes(replace=True))
    _commit()
    (IN_PLACE / "note.txt").write_text("new")
    assert "that no commit records" in _fails("planes", offered, _wishes(replace=True))
    (IN_PLACE / "note.txt").unlink()
    use("planes", offered, _wishes(replace=True))
    assert state(IN_PLACE) == state(offered) != first
    git("checkout", "--", "data/incoming/planes.dvc")
    subprocess.run([sys.executable, "-m", "dvc", "checkout", "--quiet", "--force", f"{IN_PLACE}.dvc"], check=True)
    assert state(IN_PLACE) == first


def test_where_dvc_fails_what_was_there_is_back(offered, monkeypatch):
    use("planes", offered, YES)
    _commit()
    write_image(offered / "images/Patient00000_Plane_0.png", 100)

    def fail(*_, **__):
        raise SonotraceError("disk full")

    monkeypatch.setattr("sonotrace.own_images.command.track", fail)
    assert _fails("planes", offered, _wishes(replace=True)) == "disk full"


def test_dicom_files_need_a_key_and_are_kept_from_every_remote(offered, monkeypatch):
    for number, file in enumerate(sorted((offered / "images").iterdir())):
        pixels = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        content = dicom(np.asarray(pixels), PatientID=f"{number // 2}", SOPInstanceUID=f"1.2.3.{number + 1}")
        file.with_suffix(".dcm").write_bytes(content)
        file.unlink()
    monkeypatch.delenv("SONOTRACE_PATIENT_KEY", raising=False)
    assert "SONOTRACE_PATIENT_KEY: not set" in _fails("planes", offered)
    monkeypatch.setenv("SONOTRACE_PATIENT_KEY", "0123456789abcdef" * 4)
    assert "run `sonotrace patient-key` and commit it" in _fails("planes", offered)
    subprocess.run([sys.executable, "-m", "sonotrace", "patient-key"], check=True)
    use("planes", Path(shutil.make_archive(str(offered), "zip", offered)), YES)
    tracked = yaml.safe_load(Path("data/incoming/planes.dvc").read_text())
    assert [out["push"] for out in tracked["outs"]] == [False]
    assert ".sonotrace/dvc" in Path(".dvc/config.local").read_text()
    pull.run("planes")  # refuses DICOM files that a push would send


def test_another_data_set_is_used_by_its_name(offered):
    content = yaml.safe_load(Path("params.yaml").read_text())
    for parts in content.values():
        if "planes" in parts:
            parts["second"] = copy.deepcopy(parts["planes"])
    Path("params.yaml").write_text(yaml.safe_dump(content))
    use("second", offered, YES)
    assert load().pull["second"].source == "incoming"
    assert load().pull["planes"].source == "phantom"
    assert Path("data/incoming/second.dvc").is_file()


def test_boxes_are_counted_by_structure(tmp_path_factory, capsys):
    folder = tmp_path_factory.mktemp("export")
    (folder / "data.yaml").write_text("names: [CSP, MIDLINE_FALX]\n")
    (folder / "train/labels").mkdir(parents=True)
    for number in range(6):
        write_image(folder / f"train/images/{number}_HC.png", number)
        (folder / f"train/labels/{number}_HC.txt").write_text("0 .5 .5 .2 .2\n1 .4 .4 .1 .1\n1 .6 .6 .1 .1\n")
    use("structures", folder, YES)
    printed = capsys.readouterr().out
    assert "boxes       CHOROID_PLEXUS 0, CSP 6, MIDLINE_FALX 12" in printed
    assert "note: no box of CHOROID_PLEXUS" in printed
    assert "note: only 6 patients" in printed
    set_by_use = load().train_yolo["structures"]
    assert (set_by_use.imgsz, set_by_use.batch, set_by_use.nominal_batch) == (320, 8, 8)


def test_sources_that_come_as_several_copies_are_pointed_out_until_they_are_recovered(tmp_path_factory, capsys):
    folder = tmp_path_factory.mktemp("export")
    (folder / "data.yaml").write_text(f"names: {drawn(1).structures}\n")
    for part in ("images", "labels"):
        (folder / "train" / part).mkdir(parents=True)
    for number, angle in enumerate((0, 6)):
        turned = turn(drawn(1), angle)
        cv2.imwrite(str(folder / f"train/images/1_HC_png.rf.{number}.png"), turned.image)
        x0, y0, x1, y1 = turned.corners.T / [[640], [432], [640], [432]]
        rows = np.stack([np.arange(len(x0)), (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0], axis=1)
        np.savetxt(folder / f"train/labels/1_HC_png.rf.{number}.txt", rows, "%g")
    look = dataclasses.replace(YES, dry_run=True)
    use("structures", folder, look)
    assert "note: 1 source images come as several copies" in capsys.readouterr().out
    use("structures", folder, dataclasses.replace(look, settings=["validate.structures.copies=recover"]))
    printed = capsys.readouterr().out
    assert "come as several copies" not in printed
    boxes = ", ".join(f"{name} 1" for name in STRUCTURES)
    assert f"boxes       {boxes}" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["planes"], "name your images, or give --phantom"),
        (["planes", "mine", "--phantom"], "name your images, or give --phantom"),
        (["planes", "mine"], "cannot ask without a terminal; add --yes"),
        (["third", "mine", "--yes"], "third: no such data set here; params.yaml has planes, structures"),
        (["planes", "--phantom", "-S", "epochs", "--yes"], "not KEY=VALUE"),
        (["abroad", "--phantom", "--cohort", "planes", "--yes"], "--phantom and --cohort exclude each other"),
        (["planes", "mine", "--cohort", "planes", "--yes"], "pull.planes: is there already; leave out --cohort"),
    ],
)
def test_the_command_line_refuses_what_it_cannot_mean(arguments, message):
    error = CliRunner().invoke(app, ["use", *arguments]).exception
    assert isinstance(error, SonotraceError)
    assert message in str(error)


def test_the_command_line_goes_to_own_images_and_back(offered):
    shipped = Path("params.yaml").read_bytes()
    for arguments in ([str(offered), "--dry-run"], [str(offered), "--yes"], ["--phantom", "--yes"]):
        assert CliRunner().invoke(app, ["use", "planes", *arguments]).exit_code == 0
    assert Path("params.yaml").read_bytes() == shipped
    assert (IN_PLACE / "image_label.csv").is_file()


def test_a_cohort_is_added_checked_and_put_in_place_and_can_be_replaced(tmp_path, capsys):
    for seed, plane in enumerate(PLANES):
        write_image(tmp_path / "abroad" / plane / f"site7_{plane}_1.png", seed)
    pattern = "pull.abroad.patient_pattern=^(?P<patient>site[0-9]+)_"
    before = Path("params.yaml").read_text()
    use("abroad", tmp_path / "abroad", dataclasses.replace(YES, settings=[pattern], cohort="planes", dry_run=True))
    assert Path("params.yaml").read_text() == before
    use("abroad", tmp_path / "abroad", dataclasses.replace(YES, settings=[pattern], cohort="planes"))
    params = load()
    assert params.learned == ["planes", "structures"]
    assert (params.evaluate["abroad"].trained_on, params.pull["abroad"].source) == ("planes", "incoming")
    assert len(list(Path("data/incoming/abroad").rglob("*.png"))) == len(PLANES)
    assert "train, val or test may end up with none" not in capsys.readouterr().out
    write_image(tmp_path / "abroad/brain/site8_brain_1.png", seed=9)
    git("add", "--all")
    git("commit", "--quiet", "--message", "Abroad")
    use("abroad", tmp_path / "abroad", dataclasses.replace(YES, replace=True))
    assert len(list(Path("data/incoming/abroad").rglob("*.png"))) == len(PLANES) + 1
