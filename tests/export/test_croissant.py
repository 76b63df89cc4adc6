"""The descriptions load in Croissant's own library, which reads the tables by them; they name nobody."""

import hashlib
import json

import mlcroissant
import pandas as pd
import pytest
from recorded_run import IMAGE, PATIENT, commit, exported, make, relock

from sonotrace.errors import SonotraceError
from sonotrace.export import croissant
from sonotrace.tables import BOX_COLUMNS, IMAGE_COLUMNS

TABLES = {
    "manifest.csv": "data/structures/pull/manifest.csv",
    "split.csv": "data/structures/split/split.csv",
    "boxes.csv": "data/structures/pull/boxes.csv",
}


@pytest.fixture
def out(recorded, tmp_path):
    croissant.write(recorded, tmp_path / "out")
    return tmp_path / "out"


def _read(out, data_set="structures"):
    return json.loads((out / f"{data_set}.json").read_bytes())


def test_each_data_set_has_a_description_that_its_library_takes(out):
    assert exported(out).keys() == {"planes.json", "structures.json"}
    for name in exported(out):
        assert not mlcroissant.Dataset(out / name).metadata.ctx.issues.errors


def test_the_library_reads_every_table_by_its_description(out, recorded):
    dataset = mlcroissant.Dataset(
        out / "structures.json", mapping={name: str(recorded / TABLES[name]) for name in TABLES}
    )
    for name, path in TABLES.items():
        records = list(dataset.records(name.removesuffix(".csv")))
        table = pd.read_csv(recorded / path)
        assert len(records) == len(table)
        assert [key.partition("/")[2] for key in records[0]] == list(table.columns)
    (box,) = dataset.records("boxes")
    assert (box["boxes/structure"], box["boxes/y1"]) == (b"CSP", 4.0)


def test_fields_are_the_columns_that_the_stages_write():
    assert tuple(croissant.IMAGE_FIELDS) == IMAGE_COLUMNS
    assert tuple(croissant.BOX_FIELDS) == BOX_COLUMNS
    assert tuple(croissant.SPLIT_FIELDS) == (*IMAGE_COLUMNS, "side")


def test_tables_come_with_checksum_and_size(out, recorded):
    files = {one["contentUrl"]: one for one in _read(out)["distribution"] if one["@type"] == "cr:FileObject"}
    assert files.keys() == set(TABLES.values())
    for path, file in files.items():
        content = (recorded / path).read_bytes()
        assert (file["sha256"], file["contentSize"]) == (hashlib.sha256(content).hexdigest(), f"{len(content)} B")


def test_the_images_are_one_set_with_count_format_and_fingerprint(out):
    (images,) = (one for one in _read(out)["distribution"] if one["@type"] == "cr:FileSet")
    assert images["includes"] == "data/structures/pull/images/**/*.png"
    assert images["encodingFormat"] == "image/png"
    assert images["description"] == f"1 images; fingerprint of the snapshot: sha256:{'4' * 64}"


def test_licence_processing_and_date_are_those_recorded(out):
    content = _read(out, "planes")
    assert (content["license"], content["datePublished"]) == ("CC BY 4.0", "2026-01-02T08:04:05Z")
    assert content["rai:dataPreprocessingProtocol"] == 'resize: "640x480"'


def test_no_patient_and_no_image_is_named(out):
    for content in exported(out).values():
        assert PATIENT.encode() not in content
        assert IMAGE.encode() not in content


def test_two_exports_of_a_commit_are_the_same_bytes(out, tmp_path):
    elsewhere = make(tmp_path / "elsewhere" / "below")
    croissant.write(elsewhere, tmp_path / "again")
    assert exported(tmp_path / "again") == exported(out)
    assert str(tmp_path).encode() not in b"".join(exported(out).values())


@pytest.mark.parametrize(
    "path",
    [
        "data/planes/pull/manifest.csv",
        "data/structures/split/split.csv",
        f"data/planes/pull/images/in/{IMAGE}.png",
    ],
)
def test_altered_data_are_not_described(recorded, tmp_path, path):
    (recorded / path).write_text("other")
    with pytest.raises(SonotraceError, match="altered"):
        croissant.write(recorded, tmp_path / "out")
    assert not list(tmp_path.glob("out*"))


def test_a_snapshot_without_a_licence_claims_none(recorded, tmp_path):
    path = recorded / "reports/planes/snapshot.json"
    path.write_text(path.read_text().replace("CC BY 4.0", ""))
    relock(recorded)
    commit(recorded)
    croissant.write(recorded, tmp_path / "out")
    assert "license" not in _read(tmp_path / "out", "planes")


def test_a_description_that_is_not_croissant_is_not_written(recorded, tmp_path, monkeypatch):
    whole = croissant.document
    monkeypatch.setattr(croissant, "document", lambda *asked: whole(*asked) | {"distribution": []})
    with pytest.raises(SonotraceError, match=r"planes.json: would not be Croissant \("):
        croissant.write(recorded, tmp_path / "out")
    assert not list(tmp_path.glob("out*"))
