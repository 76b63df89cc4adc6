"""Parameters are checked before any work, and an error names file, key and value."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from ruamel.yaml import YAML

from sonotrace import params
from sonotrace.errors import SonotraceError
from sonotrace.params import SECTIONS, WHOLE, Params, load

SHIPPED = Path(__file__).parents[1] / "params.yaml"


def _changed(folder, key, value=None, remove=False):
    content = yaml.safe_load(SHIPPED.read_text())
    *parents, last = key.split(".")
    place = content
    for parent in parents:
        place = place[parent]
    if remove:
        del place[last]
    else:
        place[last] = value
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def _values(content, above=""):
    for key, value in content.items():
        yield f"{above}{key}", value
        if isinstance(value, dict):
            yield from _values(value, f"{above}{key}.")


ALL = dict(_values(yaml.safe_load(SHIPPED.read_text())))


def _message(path):
    with pytest.raises(SonotraceError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(path))
    return str(caught.value).removeprefix(f"{path}")


def test_the_shipped_file_loads():
    taken_over = load(SHIPPED)
    assert taken_over.prepare["planes"].width == 256
    assert taken_over.split["structures"].fractions.train == 0.7
    assert taken_over.data_sets == ["planes", "structures"]
    assert taken_over.kind("structures").has_boxes


def test_all_that_the_shipped_file_says_is_taken_over():
    taken = {
        section: {name: part.model_dump() for name, part in getattr(load(SHIPPED), section).items()}
        for section in SECTIONS
    }
    taken |= {section: getattr(load(SHIPPED), section).model_dump() for section in WHOLE}
    assert taken == yaml.safe_load(SHIPPED.read_text())


def test_the_sections_of_the_schema_are_those_of_the_file():
    sections = list(yaml.safe_load(SHIPPED.read_text()))
    assert [field.name for field in fields(Params)] == sections
    assert list(SECTIONS) == [section for section in sections if section not in WHOLE]


@pytest.mark.parametrize("key", [key for key in ALL if not re.fullmatch(r"pull\.\w+", key)])
def test_every_key_is_required(tmp_path, key):
    assert _message(_changed(tmp_path, key, remove=True)).startswith(f": {key}: missing; add it")


@pytest.mark.parametrize(
    "key",
    [
        "widht",
        *(
            f"{key}.widht"
            for key, value in ALL.items()
            if isinstance(value, dict) and "." in key and not key.endswith(".crops")
        ),
    ],
)
def test_a_key_that_no_section_knows_is_refused(tmp_path, key):
    path = _changed(tmp_path, key, 1)
    assert _message(path) == f": {key}: no such parameter; remove it or correct its name"


def test_a_data_set_that_pull_does_not_have_is_refused_in_other_sections(tmp_path):
    for section in SECTIONS:
        said = _message(_changed(tmp_path, f"{section}.hearts", {}))
        missing = "pull.hearts.kind: missing; add it as in the file the project ships"
        unknown = f"{section}.hearts: pull has no data set of that name and kind; correct the name, or add it there"
        assert said == f": {missing if section == 'pull' else unknown}"
    assert "pull has no data set" in _message(_changed(tmp_path, "pull.planes", remove=True))
    assert "train_cnn.structures: pull has no data" in _message(_changed(tmp_path, "train_cnn.structures", {}))


def test_a_second_data_set_of_a_kind_needs_a_part_in_every_section_of_that_kind(tmp_path):
    content = yaml.safe_load(SHIPPED.read_text())
    for section, parts in content.items():
        if "planes" in parts:
            parts["other_planes"] = parts["planes"]
            (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
            if section != "export_onnx":
                assert "other_planes: missing; add it" in _message(tmp_path / "params.yaml")
    taken_over = load(tmp_path / "params.yaml")
    assert sorted(taken_over.data_sets) == ["other_planes", "planes", "structures"]
    assert taken_over.train_cnn["other_planes"] == taken_over.train_cnn["planes"]
    assert taken_over.kind("other_planes").training == "train_cnn"


def _with_a_cohort(**changes):
    """Return the shipped parameters with a further data set of planes, `abroad`, that nothing is trained on."""
    content = yaml.safe_load(SHIPPED.read_text())
    for section in ("pull", "validate", "split", "prepare", "evaluate"):
        content[section]["abroad"] = yaml.safe_load(yaml.safe_dump(content[section]["planes"]))
    content["split"]["abroad"]["fractions"] = {"train": 0, "val": 0, "test": 1}
    for key, value in changes.items():
        section, _, name = key.partition("_")
        content[section]["abroad"][name] = value
    return content


def test_a_data_set_without_a_part_in_augment_and_the_trainings_is_a_cohort(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(_with_a_cohort()))
    taken_over = load(path)
    assert taken_over.data_sets == ["abroad", "planes", "structures"]
    assert taken_over.learned == ["planes", "structures"]
    assert taken_over.evaluate["abroad"].trained_on == "planes"


@pytest.mark.parametrize("section", ["validate", "split", "prepare", "evaluate"])
def test_a_cohort_needs_its_other_parts(tmp_path, section):
    content = _with_a_cohort()
    del content[section]["abroad"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    assert _message(tmp_path / "params.yaml").startswith(f": {section}.abroad: missing; add it")


@pytest.mark.parametrize(("given", "missing"), [("augment", "train_cnn"), ("train_cnn", "augment")])
def test_a_data_set_is_either_learned_from_or_a_cohort(tmp_path, given, missing):
    content = _with_a_cohort()
    content[given]["abroad"] = content[given]["planes"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    said = _message(tmp_path / "params.yaml")
    assert said.startswith(
        f": {missing}.abroad: missing; add it as in the file the project ships, or remove abroad from"
    )
    assert "if it is only to be measured on" in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"split_fractions": {"train": 0.7, "val": 0.15, "test": 0.15}},
            "split.abroad.fractions.test is 0.15: nothing is trained on abroad, so all its patients have to be on the",
        ),
        ({"split_use_official": True}, "split.abroad.use_official is True: nothing is trained on abroad, so all its"),
        (
            {"evaluate_trained_on": "abroad"},
            "evaluate.abroad.trained_on is 'abroad': no model of planes is trained on that; name one of planes",
        ),
        ({"evaluate_trained_on": "structures"}, "evaluate.abroad.trained_on is 'structures': no model of planes is"),
        (
            {"evaluate_model": "models/structures.pt"},
            "evaluate.abroad.trained_on is 'planes': models/structures.pt is trained on structures; set it to",
        ),
    ],
)
def test_what_does_not_fit_a_cohort_is_named_with_the_remedy(tmp_path, changes, said):
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(_with_a_cohort(**changes)))
    assert _message(tmp_path / "params.yaml").startswith(f": {said}")


@pytest.mark.parametrize("side", ["train", "val"])
def test_a_data_set_that_is_learned_from_needs_patients_to_train_and_validate_on(tmp_path, side):
    path = _changed(tmp_path, "split.planes.fractions", {"train": 0.5, "val": 0.5, "test": 0.5} | {side: 0})
    assert _message(path).startswith(f": split.planes.fractions.{side} is 0: train_cnn needs patients there; give it")


def test_a_data_set_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(SonotraceError, match=r"^hearts: no such data set here; params\.yaml has planes, structures$"):
        load(SHIPPED).split["hearts"]


@pytest.mark.parametrize("name", ["Planes", "my-planes", "1st", "", "a.b", "a@b", "_x"])
def test_a_data_set_is_called_by_small_letters_digits_and_underscores(tmp_path, name):
    content = yaml.safe_load(SHIPPED.read_text())
    content["pull"][name] = content["pull"].pop("planes")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    assert "no name for a data set; use small letters, digits and _" in _message(tmp_path / "params.yaml")


@pytest.mark.parametrize("name", ["copy", "json", "model_fields", "validate"])
def test_a_data_set_may_be_called_what_the_schema_library_calls_a_method(tmp_path, name):
    content = yaml.safe_load(SHIPPED.read_text())
    for parts in content.values():
        if "planes" in parts:
            parts[name] = parts.pop("planes")
    content["evaluate"][name] |= {"trained_on": name, "model": f"models/{name}.keras"}
    content["export_onnx"][name]["model"] = f"models/{name}.keras"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    assert load(tmp_path / "params.yaml").augment[name].copies == 5


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("train_cnn.planes.epochs", "ten", "train_cnn.planes.epochs is 'ten': input should be a valid integer"),
        ("train_cnn.planes.epochs", 1.5, "train_cnn.planes.epochs is 1.5: input should be a valid integer"),
        ("train_cnn.planes.epochs", True, "train_cnn.planes.epochs is True: input should be a valid integer"),
        ("train_cnn.planes.epochs", None, "train_cnn.planes.epochs is None: input should be a valid integer"),
        ("split.planes.salt", 5, "split.planes.salt is 5: input should be a valid string"),
        ("split.planes.use_official", "yes", "split.planes.use_official is 'yes': input should be a valid boolean"),
        ("augment.planes.blur", "1", "augment.planes.blur is '1': input should be a valid number"),
        ("prepare.planes", 256, "prepare.planes is 256: input should be a valid dictionary"),
        ("prepare.planes.width", 16, "prepare.planes.width is 16: input should be greater than or equal to 32"),
        ("prepare.planes.height", 5000, "prepare.planes.height is 5000: input should be less than or equal to 4096"),
        ("augment.planes.flip", 1.5, "augment.planes.flip is 1.5: input should be less than or equal to 1"),
        ("augment.planes.rotation", [5], "augment.planes.rotation is [5]: list should have at least 2 items"),
        ("augment.planes.rotation", [0, 200], "augment.planes.rotation.1 is 200: input should be less than or equal"),
        ("augment.planes.rotation", [9, 5], "augment.planes.rotation: least angle first, not [9.0, 5.0]"),
        ("augment.planes.contrast", 1, "augment.planes.contrast is 1: input should be less than 1"),
        ("augment.planes.zoom", float("nan"), "augment.planes.zoom is nan: input should be"),
        ("validate.planes.max_quarantined", -0.1, "validate.planes.max_quarantined is -0.1: input should be greater"),
        ("validate.planes.conflicting_labels", "ignore", "is 'ignore': input should be 'stop' or 'quarantine'"),
        (
            "pull.planes.source",
            "web",
            "pull.planes.source is 'web': input should be 'phantom', 'incoming', 'zenodo' or 'roboflow'",
        ),
        ("pull.structures.source", "zenodo", "input should be 'phantom', 'incoming' or 'roboflow'"),
        (
            "pull.planes.zenodo.address",
            "https://a/b?key=1",
            "pull.planes.zenodo.address is 'https://a/b?key=1': string",
        ),
        ("pull.planes.roboflow.workspace", "a/b", "pull.planes.roboflow.workspace is 'a/b': string should match"),
        ("pull.planes.incoming.dicom.crops", {"GE E8": [0, 0, 5]}, "a crop box is [left, top, right, bottom] in px"),
        ("pull.planes.incoming.dicom.crops", {"GE E8": [9, 0, 5, 5]}, "a crop box is [left, top, right, bottom] in px"),
        ("pull.structures.incoming.dicom.frames", 0, "input should be"),
        ("prepare.planes.aspect", "crop", "prepare.planes.aspect is 'crop': input should be 'stretch' or 'letterbox'"),
        (
            "split.planes.fractions.train",
            0.6,
            "split.planes.fractions.train: train, val and test must add up to 1, not 0.9",
        ),
        ("split.planes.fractions.test", 0, "split.planes.fractions.test is 0: input should be greater than 0"),
        ("pull.planes.patient_pattern", "^((", "pull.planes.patient_pattern is '^((': not a regular expression"),
        ("pull.planes.patient_pattern", r"^(\d+)", r"is '^(\\d+)': needs a group named patient, such as"),
        (
            "train_yolo.structures.imgsz",
            100,
            "train_yolo.structures.imgsz is 100: input should be a multiple of 32",
        ),
        (
            "train_yolo.structures.weights",
            "mine.pt",
            "train_yolo.structures.weights_sha256: mine.pt holds weights: give their sha256",
        ),
        (
            "train_yolo.structures.weights_sha256",
            "ABC",
            "train_yolo.structures.weights_sha256 is 'ABC': string should match pattern",
        ),
        ("folds.numbers", [1, 3], "folds.numbers: count from 1, such as [1, 2, 3, 4, 5], not [1, 3]"),
        ("folds.numbers", [1], "folds.numbers is [1]: list should have at least 2 items"),
        ("folds.by", "clinic", "folds.by is 'clinic': input should be 'patient', 'scanner' or 'site'"),
        ("folds.seeds", [1, 1], "folds.seeds: each once, not [1, 1]"),
        ("folds.data_sets", ["structures"], "folds.data_sets: structures has no part in train_cnn"),
        ("folds.box_data_sets", ["planes"], "folds.box_data_sets: planes has no part in train_yolo"),
        ("folds.box_data_sets", ["structures", "structures"], "folds.box_data_sets: each once, not"),
        ("shards.numbers", [1, 3], "shards.numbers: count from 1, such as [1, 2, 3, 4], not [1, 3]"),
        ("shards.numbers", [], "shards.numbers is []: list should have at least 1 item"),
        ("shards.prepare", ["planes", "planes"], "shards.prepare: each once, not"),
        ("shards.prepare", ["cohort"], "shards.prepare: cohort has no part in prepare; remove it there"),
        ("shards.augment", ["planes"], "shards.augment: planes is not in shards.prepare, whose shards it copies from"),
        ("train_cnn.planes.weights", "imagenet", "train_cnn.planes.weights: there are none from imagenet for residual"),
        ("train_cnn.planes.weights", "there.h5", "train_cnn.planes.weights: use none, imagenet or a .keras file, not"),
        ("train_cnn.planes.weights", "a.keras", "train_cnn.planes.weights_sha256: state the sha256 of a.keras"),
        ("evaluate.structures.confidence", 1, "evaluate.structures.confidence is 1: input should be less than 1"),
    ],
)
def test_a_value_out_of_place_is_named_with_what_is_allowed(tmp_path, key, value, said):
    assert said in _message(_changed(tmp_path, key, value))


def test_whole_numbers_do_for_fractional_ones(tmp_path):
    assert load(_changed(tmp_path, "augment.planes.blur", 2)).augment["planes"].blur == 2.0


def test_other_mistakes_are_counted(tmp_path):
    path = _changed(tmp_path, "train_cnn.planes", {})
    assert _message(path).endswith("(and 10 more)")


def test_broken_yaml_is_named_by_line(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("pull:\n  planes: 1\n  - 2\nvalidate: 3\n")
    assert _message(path).startswith(":3: ")
    path.write_text("a: b\x07")
    assert _message(path).startswith(": unacceptable character #x0007")
    path.write_text("a: !!python/object/apply:os.system [ls]")
    assert "could not determine a constructor" in _message(path)


def test_a_missing_file_says_where_to_run(tmp_path):
    assert _message(tmp_path / "params.yaml") == ": not there; run from the top folder of a checkout"


@pytest.mark.parametrize("content", ["", "- a\n", "text"])
def test_a_file_that_is_no_mapping_is_an_error(tmp_path, content):
    (tmp_path / "params.yaml").write_text(content)
    assert "dictionary" in _message(tmp_path / "params.yaml")


def test_a_file_that_is_not_utf8_is_an_error(tmp_path):
    (tmp_path / "params.yaml").write_bytes(b"\xff\xfe")
    assert _message(tmp_path / "params.yaml")


def test_a_key_that_stands_twice_is_an_error(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(SHIPPED.read_text().replace("    epochs:", "    epochs: 3\n    epochs:", 1))
    assert "epochs" in _message(path)


@pytest.mark.parametrize(
    "text",
    [
        "5e-05",
        "2e-3",
        "1E5",
        "1.5",
        "1.",
        "-.5",
        "010",
        "0x1f",
        "0o17",
        "1:30",
        "no",
        "yes",
        "on",
        "true",
        "null",
        "~",
        ".inf",
        "1_000",
        "+3",
        "1.2.3",
        "3e",
        "1-2-3",
    ],
)
def test_values_are_read_as_dvc_reads_them(text):
    ours = yaml.load(f"key: {text}", Loader=params._UniqueKeys)["key"]  # noqa: S506 - a SafeLoader
    theirs = YAML(typ="safe", pure=True).load(f"key: {text}")["key"]
    assert (ours, type(ours)) == (theirs, type(theirs))


@pytest.mark.parametrize("rate", [5e-05, 2e-3, 1e-10, 0.1])
def test_a_learning_rate_as_dvc_writes_it_is_a_number(tmp_path, rate):
    text = re.sub(r"learning_rate: \S+", f"learning_rate: {rate!r}", SHIPPED.read_text())
    (tmp_path / "params.yaml").write_text(text)
    assert load(tmp_path / "params.yaml").train_cnn["planes"].learning_rate == rate


def test_the_blocks_that_docs_cohorts_shows_are_good_parameters(tmp_path):
    content = yaml.safe_load(SHIPPED.read_text())
    text = (SHIPPED.parent / "docs/cohorts.md").read_text()
    for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL):
        for section, parts in yaml.safe_load(block).items():
            content[section] |= parts
    content["pull"]["african"] = content["pull"]["planes"] | content["pull"]["african"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    assert set(load(tmp_path / "params.yaml").data_sets) == {"planes", "structures", "african", "strange"}


@pytest.mark.parametrize(
    "added",
    [
        "? [a, b]\n: 1",
        "x: !!int abc",
        "x: !!bool abc",
        "x: !!map abc",
        "x: !!timestamp abc",
        f"x: {'1' * 5000}",
        'x: "\\ud800"',
        f"x: {'[' * 3000}{']' * 3000}",
        "a0: &a0 [1, 1]\n" + "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n" for n in range(9)),
    ],
    ids=["key", "int", "bool", "map", "timestamp", "digits", "surrogate", "deep", "aliases"],
)
def test_whatever_yaml_cannot_read_is_one_line(tmp_path, added):
    path = tmp_path / "params.yaml"
    path.write_text(f"{SHIPPED.read_text()}\n{added}\n")
    assert _message(path).endswith("correct the YAML there")


def test_a_key_cannot_break_the_line(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(f'{SHIPPED.read_text()}\n"a\\nb\\x1b": 1\n')
    assert _message(path).isprintable()


def test_a_pattern_that_repeats_too_often_is_named(tmp_path):
    said = _message(_changed(tmp_path, "pull.planes.patient_pattern", "(?P<patient>a{99999999999})"))
    assert "pull.planes.patient_pattern" in said
    assert "not a regular expression" in said
