"""Images of one patient lie in one ZIP file, and come out as they went in."""

import re
import shutil
import subprocess
from zipfile import ZipFile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packed import packed

from sonotrace.errors import SonotraceError
from sonotrace.images.grey import encode_png, write_png
from sonotrace.images.packs import Part, copy_name, pack, pack_name, stored_in

IDS = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=80)


def _picture(seed=0, shape=(6, 9)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@given(st.dictionaries(IDS, st.integers(0, 9), min_size=1, max_size=6))
def test_every_image_is_found_under_its_id_whatever_that_is(tmp_path_factory, seeds):
    folder = tmp_path_factory.mktemp("packs")
    found = packed(folder, {image: _picture(seed) for image, seed in seeds.items()})
    assert set(found) == set(seeds)
    assert all((found[image].read() == _picture(seed)).all() for image, seed in seeds.items())


def test_the_same_images_give_the_same_bytes():
    images = [("a", encode_png(_picture(1))), ("a/1", encode_png(_picture(2)))]
    assert pack(images) == pack(images)


def test_any_unzip_program_opens_a_pack(tmp_path):
    packed(tmp_path, {"001_HC": _picture(), copy_name("001_HC", 2): _picture(1)})
    with ZipFile(tmp_path / "0.zip") as opened:
        assert opened.testzip() is None
        assert opened.namelist() == ["001_HC.png", "001_HC/2.png"]
        assert opened.read("001_HC.png") == packed(tmp_path, {"001_HC": _picture()}, "1")["001_HC"].content()
    if shutil.which("unzip"):
        assert subprocess.run(["unzip", "-tqq", "0.zip"], cwd=tmp_path, check=False).returncode == 0


def test_a_folder_holds_the_images_of_all_its_packs(tmp_path):
    packed(tmp_path, {"a": _picture(1)}, "x")
    found = packed(tmp_path, {"b": _picture(2)}, "y")
    assert {image: str(part) for image, part in found.items()} == {
        "a": f"{tmp_path}/x.zip, a.png",
        "b": f"{tmp_path}/y.zip, b.png",
    }


@pytest.mark.parametrize("at", [0.2, 0.5])
def test_a_damaged_image_is_never_read(tmp_path, at):
    part = packed(tmp_path, {"a": _picture(shape=(60, 90))})["a"]
    content = bytearray(part.file.read_bytes())
    content[int(at * len(content))] ^= 1
    part.file.write_bytes(content)
    with pytest.raises(SonotraceError, match=r"0\.zip, a\.png: damaged; remove the file and run `dvc repro`$"):
        part.read()


def test_what_cannot_be_read_says_so_in_one_line(tmp_path):
    found = packed(tmp_path, {"a": _picture()})
    with pytest.raises(SonotraceError, match=rf"^{tmp_path}: no image b; run `dvc repro` to make it$"):
        found["b"]
    with pytest.raises(SonotraceError, match=r"gone: no image a; run `dvc repro` to make it$"):
        stored_in(tmp_path / "gone")["a"]
    found["a"].file.write_bytes(found["a"].file.read_bytes()[:-9])
    with pytest.raises(SonotraceError, match=r"0\.zip: damaged; remove the file and run `dvc repro`$"):
        stored_in(tmp_path)
    found["a"].file.unlink()
    with pytest.raises(SonotraceError, match=r"0\.zip, a\.png: cannot be read \(No such file"):
        found["a"].read()


def test_a_part_without_a_name_is_a_whole_file(tmp_path):
    write_png(_picture(), tmp_path / "a.png")
    assert (Part(tmp_path / "a.png").read() == _picture()).all()
    (tmp_path / "a.png").write_bytes(b"none")
    with pytest.raises(SonotraceError, match=r"a\.png: not a PNG, JPEG, TIFF or BMP image; "):
        Part(tmp_path / "a.png").read()


def test_a_pack_is_one_patients_and_names_nobody():
    assert pack_name("12", "a") == pack_name("12", "b") != pack_name("13", "a")
    assert pack_name("", "a") != pack_name("", "b")
    assert pack_name("", "12") != pack_name("12", "12")
    assert re.fullmatch(r"[0-9a-f]{16}\.zip", pack_name("Patient00012", "a"))
