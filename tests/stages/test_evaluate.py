"""Figures stand under the names that the model states, over whole patients of the test side."""

import io
import json
import zipfile

import numpy as np
import pandas as pd
import pytest
import yaml
from packed import packed

from sonotrace.errors import SonotraceError
from sonotrace.kinds.planes import KIND as PLANES_KIND
from sonotrace.kinds.planes import PLANES
from sonotrace.models import classifier
from sonotrace.models.judgement import Answers
from sonotrace.params import load
from sonotrace.running.outputs import write_csv
from sonotrace.scores import robustness
from sonotrace.stages.evaluate import run
from sonotrace.tables import CHANGED_COLUMNS, box_table, read_table

LABELS = {"a": "brain", "b": "brain", "c": "femur", "d": "thorax", "e": "abdomen", "f": "femur"}
LEVELS = {"brain": 10, "femur": 60, "thorax": 110, "abdomen": 160}


@pytest.fixture(autouse=True)
def _environment_restored(monkeypatch):
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    for name in (*names, "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, "1")


@pytest.fixture
def prepared(work, set_param):
    """Lay out six test images, each in the grey level of its plane, and a training image."""
    set_param("evaluate.planes.bootstrap", 100)
    table = pd.DataFrame({"image": list(LABELS), "patient": list("112233"), "label": LABELS.values(), "side": "test"})
    table.loc[len(table)] = ["z", "9", "brain", "train"]
    table = table.assign(scanner="", site=["A", "A", "A", "A", "B", "B", ""], sha256=[f"s{at}" for at in table.index])
    write_csv(table, work / "data/planes/split/split.csv")
    write_csv(box_table([]), work / "data/planes/prepare/boxes.csv")
    pictures = {image: np.full((32, 32), LEVELS[label], np.uint8) for image, label in LABELS.items()}
    packed(work / "data/planes/prepare/images", pictures)
    return work


def _model(order, mistaken=(), refused="femur", far=-0.5, content=b"model"):
    """Make a classifier that tells planes by their grey level and gives them in `order`.

    Images of the plane `refused` are `far` beyond the limit.
    """
    expected = content

    class Model:
        planes = order

        def __init__(self, content, path):
            assert (content, path.as_posix()) == (expected, "models/planes.keras")

        def answers(self, images):
            found = np.full((len(images), len(order)), 0.1)
            for row, image in zip(found, images, strict=True):
                plane = next(name for name, level in LEVELS.items() if level == image[0, 0])
                row[order.index("thorax" if plane in mistaken else plane)] = 0.7
            return Answers(found, np.array([far if image[0, 0] == LEVELS[refused] else -0.5 for image in images]))

    return Model


@pytest.mark.parametrize("order", [PLANES, PLANES[::-1], ("femur", "abdomen", "thorax", "brain")])
def test_probabilities_count_for_the_plane_that_the_model_names(prepared, monkeypatch, order):
    monkeypatch.setattr(classifier, "PlaneClassifier", _model(order, mistaken={"femur"}))
    run("planes", b"model")
    detail = json.loads((prepared / "metrics/planes_detail.json").read_text())
    recalls = {plane: scores["recall"]["value"] for plane, scores in detail["per_plane"].items()}
    assert recalls == {"abdomen": 1, "brain": 1, "femur": 0, "thorax": 1}
    assert {plane: scores["n"] for plane, scores in detail["per_plane"].items()} == {
        "abdomen": 1,
        "brain": 2,
        "femur": 2,
        "thorax": 1,
    }
    assert detail["overall"]["accuracy"]["value"] == round(4 / 6, 4)
    predictions = read_table(prepared / "data/planes/evaluate/predictions.csv")
    named = {image: "thorax" if label == "femur" else label for image, label in LABELS.items()}
    assert dict(zip(predictions["image"], predictions["predicted"], strict=True)) == named
    for row in predictions.to_dict("records"):
        assert float(row[row["predicted"]]) == 0.7
    confusion = pd.read_csv(prepared / "plots/planes/confusion.csv")
    assert confusion[confusion["actual"] == "femur"]["predicted"].tolist() == ["thorax"] * 2


def test_headline_and_detail_agree_and_count_the_test_side(prepared, monkeypatch):
    monkeypatch.setattr(classifier, "PlaneClassifier", _model(PLANES, mistaken={"femur"}))
    run("planes", b"model")
    headline = json.loads((prepared / "metrics/planes.json").read_text())
    detail = json.loads((prepared / "metrics/planes_detail.json").read_text())
    assert (headline["n_images"], headline["n_patients"]) == (6, 3)
    assert {name: figure["value"] for name, figure in detail["overall"].items()} == {
        name: value for name, value in headline.items() if not name.startswith("n_")
    }
    for end in ("low", "high"):
        ends = json.loads((prepared / f"metrics/planes_{end}.json").read_text())
        assert ends == {name: figure[end] for name, figure in detail["overall"].items()}
    for figure in detail["overall"].values():
        assert figure["low"] <= figure["value"] <= figure["high"]


@pytest.mark.parametrize(("far", "share"), [(0.5, 4 / 6), (0.0, 1), (np.nan, 1)])
def test_images_beyond_the_limit_are_out_of_scope_and_scored_like_the_others(prepared, monkeypatch, far, share):
    monkeypatch.setattr(classifier, "PlaneClassifier", _model(PLANES, far=far))
    run("planes", b"model")
    headline = json.loads((prepared / "metrics/planes.json").read_text())
    assert (headline["in_scope"], headline["accuracy"]) == (round(share, 4), 1)
    predictions = read_table(prepared / "data/planes/evaluate/predictions.csv")
    assert set(predictions["image"][predictions["in_scope"] == "false"]) == ({"c", "f"} if share < 1 else set())
    assert predictions["scope"].dtype == np.float64
    assert predictions["scope"].isna().sum() == (2 if np.isnan(far) else 0)


def test_the_scores_by_group_are_written_and_the_worst_is_said(prepared, monkeypatch, capsys):
    monkeypatch.setattr(classifier, "PlaneClassifier", _model(PLANES, mistaken={"abdomen"}))
    run("planes", b"model")
    written = json.loads((prepared / "metrics/planes_groups.json").read_text())
    assert {site: group["accuracy"]["value"] for site, group in written["site"].items()} == {"A": 1, "B": 0.5}
    assert {group: scored["n_images"] for group, scored in written["scanner"].items()} == {"not stated": 6}
    assert "evaluate: planes: no groups to compare: " in capsys.readouterr().out


@pytest.fixture
def cohort(prepared):
    """Make the test side a cohort: the model is said to have learned from another data set of planes."""
    parameters = yaml.safe_load((prepared / "params.yaml").read_text())
    for part in parameters.values():
        if "planes" in part:
            part["other"] = dict(part["planes"])
    parameters["evaluate"]["other"] |= {"trained_on": "other", "model": "models/other.keras"}
    parameters["export_onnx"]["other"]["model"] = "models/other.keras"
    for section in ("augment", "train_cnn", "export_onnx"):
        del parameters[section]["planes"]
    parameters["split"]["planes"] |= {"fractions": {"train": 0, "val": 0, "test": 1}}
    parameters["evaluate"]["planes"] |= {"trained_on": "other"}
    (prepared / "params.yaml").write_text(yaml.safe_dump(parameters))
    _learned(prepared, patient="x")
    return prepared


def _learned(work, patient="x", sha256="x"):
    """Let the model have learned from one image."""
    table = pd.DataFrame({"image": ["there"], "patient": [patient], "label": ["brain"], "sha256": [sha256]})
    write_csv(table, work / "data/other/validate/accepted.csv")


def _stating(**changes):
    """Return the bytes of a model file that states how its images were prepared."""
    prepare = {"width": 256, "height": 256, "aspect": "stretch", "mask_overlays": False} | changes
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"sonotrace": {"planes": list(PLANES), "prepare": prepare}}))
    return stream.getvalue()


def test_a_cohort_is_measured_with_the_model_of_another_data_set(cohort, monkeypatch):
    monkeypatch.setattr(classifier, "PlaneClassifier", _model(PLANES, content=_stating()))
    run("planes", _stating())
    assert json.loads((cohort / "metrics/planes.json").read_text())["accuracy"] == 1


@pytest.mark.parametrize(
    ("overlap", "said"),
    [
        (
            {"patient": "2"},
            r"^planes: 1 patients and 0 images are in other too.* image c; .*make pull\.planes\.patient_",
        ),
        ({"sha256": "s4"}, r"^planes: 0 patients and 1 images .* image e; take these images out of planes or out of o"),
    ],
)
def test_a_patient_or_an_image_that_the_model_learned_from_stops_the_evaluation(cohort, monkeypatch, overlap, said):
    monkeypatch.setattr(classifier, "PlaneClassifier", _model(PLANES, content=_stating()))
    _learned(cohort, **overlap)
    with pytest.raises(SonotraceError, match=said):
        run("planes", _stating())
    assert not (cohort / "metrics").exists()


@pytest.mark.usefixtures("cohort")
@pytest.mark.parametrize(("name", "value"), [("width", 224), ("aspect", "letterbox"), ("mask_overlays", True)])
def test_a_cohort_prepared_otherwise_than_the_model_needs_is_refused(name, value):
    with pytest.raises(
        SonotraceError, match=rf"prepare\.planes\.{name} is .*models/planes\.keras .* {value!r}; set it"
    ):
        run("planes", _stating(**{name: value}))


@pytest.mark.usefixtures("prepared")
def test_labels_that_the_model_has_no_output_for_are_refused(monkeypatch):
    three = tuple(plane for plane in PLANES if plane != "femur")
    monkeypatch.setattr(classifier, "PlaneClassifier", _model(three, mistaken={"femur"}))
    with pytest.raises(SonotraceError, match=r"validate\.planes\.classes lets in femur, which models/planes\.keras"):
        run("planes", b"model")


def test_each_table_of_plots_has_a_picture(prepared, monkeypatch):
    monkeypatch.setattr(classifier, "PlaneClassifier", _model(PLANES))
    run("planes", b"model")
    written = sorted(path.name for path in (prepared / "plots/planes").iterdir())
    names = ("confusion", "pr", "reliability", "risk_coverage", "roc")
    assert written == sorted([f"{name}.{form}" for name in names for form in ("csv", "svg")] + ["occlusion.svg"])


def _with_text(work):
    """Give all test images a sector in the grey level of their plane; abdomen and thorax have text beside it."""
    pictures = {image: np.zeros((64, 64), np.uint8) for image in LABELS}
    for label, picture in zip(LABELS.values(), pictures.values(), strict=True):
        picture[:, 24:] = LEVELS[label]
        picture[2:4, 2:14] = 255 if label in ("abdomen", "thorax") else 0
    packed(work / "data/planes/prepare/images", pictures)


class _Reader:
    """A classifier that tells planes by grey level, but calls everything with text in its upper left an abdomen."""

    planes = PLANES

    def __init__(self, content, path):
        pass

    def answers(self, images):
        found = np.full((len(images), len(PLANES)), 0.1)
        for row, image in zip(found, images, strict=True):
            level = int(np.median(image[:, [0, 30, 63]].max(axis=1)))
            plane = min(LEVELS, key=lambda name: abs(LEVELS[name] - level))
            row[PLANES.index("abdomen" if image[2:4, 2:14].min() == 255 else plane)] = 0.7
        return Answers(found, np.full(len(images), np.nan))


def test_a_classifier_that_goes_by_text_is_found_out(prepared, monkeypatch, capsys):
    _with_text(prepared)
    monkeypatch.setattr(classifier, "PlaneClassifier", _Reader)
    run("planes", b"model")
    written = json.loads((prepared / "metrics/planes_robustness.json").read_text())
    accuracy = {name: change["accuracy"]["value"] for name, change in written["changes"].items()}
    assert written["as_is"]["value"] == round(5 / 6, 4)  # the thorax has text
    assert accuracy["overlays_blanked"] == accuracy["overlays_moved"] == 1
    assert accuracy["overlays_exchanged"] < written["as_is"]["value"]
    assert written["worst"] == "overlays_exchanged"
    assert "planes: accuracy suffers most from overlays exchanged: 0.833 becomes" in capsys.readouterr().out
    answers = read_table(prepared / "data/planes/evaluate/anatomy/changed.csv")
    assert tuple(answers.columns) == CHANGED_COLUMNS
    assert robustness.by_change(PLANES_KIND, _predictions(prepared), answers, load().evaluate["planes"]) == written


def _predictions(work):
    return read_table(work / "data/planes/evaluate/predictions.csv")


def test_images_of_patients_stay_in_the_folder_of_data(prepared, monkeypatch):
    _with_text(prepared)
    monkeypatch.setattr(classifier, "PlaneClassifier", _Reader)
    run("planes", b"model")
    inside, outside = (
        (prepared / place / "occlusion.svg").read_text() for place in ("data/planes/evaluate/anatomy", "plots/planes")
    )
    assert inside.count("<image") == len(LABELS)
    assert "<image" not in outside
    assert not any(f">{name}<" in text for name in LABELS for text in (inside, outside))


def test_the_same_model_and_seed_give_the_same_bytes(prepared, monkeypatch):
    monkeypatch.setattr(classifier, "PlaneClassifier", _model(PLANES, mistaken={"brain"}))
    found = []
    for _ in range(2):
        run("planes", b"model")
        found.append(
            {
                path: path.read_bytes()
                for name in ("metrics", "plots", "data")
                for path in (prepared / name).rglob("*.*")
            }
        )
    assert found[0] == found[1]


def test_no_test_images_is_an_error(work):
    write_csv(
        pd.DataFrame({"image": ["a"], "patient": ["1"], "label": ["brain"], "side": ["train"]}),
        work / "data/planes/split/split.csv",
    )
    with pytest.raises(SonotraceError, match=r"planes: no test images; .*split\.planes\.salt"):
        run("planes", b"model")
