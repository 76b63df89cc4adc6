"""Which images are found, and that each file that has none says why."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from dicom_files import dicom, region

from sonotrace.errors import SonotraceError
from sonotrace.images.grey import encode_png
from sonotrace.predict.search import Search
from sonotrace.predict.sources import Source, sources, views

PNG = encode_png(np.full((4, 6), 9, np.uint8))


def _zip(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def _clip(frames=3):
    pixels = np.stack([np.full((20, 30), 10 * number, np.uint8) for number in range(1, frames + 1)])
    return dicom(pixels, regions=[region(4, 2, 24, 18)])


def test_a_zip_gives_its_images_sorted_and_nothing_else(tmp_path):
    members = {
        "b/2.png": PNG,
        "a.PNG": PNG,
        "b/note.txt": b"",
        "__MACOSX/a.png": PNG,
        ".hidden.png": PNG,
        "1.2.840": _clip(),
        "DICOMDIR": _clip(),
    }
    found = list(sources([_zip(tmp_path / "all.zip", members)]))
    assert [one.name for one in found] == [f"{tmp_path}/all.zip/{name}" for name in ("1.2.840", "a.PNG", "b/2.png")]
    assert found[1].read() == PNG


def test_a_zip_that_is_none_and_a_member_that_unpacks_to_too_much_are_refused(tmp_path):
    (tmp_path / "no.zip").write_bytes(b"no zip")
    (none,) = sources([tmp_path / "no.zip"])
    with pytest.raises(SonotraceError, match=r"no\.zip: cannot be opened as zip"):
        none.read()
    bomb = _zip(tmp_path / "bomb.zip", {"a.png": bytes(20_000_000)}, zipfile.ZIP_DEFLATED)
    (member,) = sources([bomb])
    with pytest.raises(SonotraceError, match=r"bomb\.zip/a\.png: unpacks to 20000000 bytes"):
        member.read()


def test_a_damaged_member_and_a_file_that_is_gone_say_so(tmp_path):
    path = _zip(tmp_path / "all.zip", {"a.png": PNG})
    content = path.read_bytes()
    path.write_bytes(content.replace(PNG[-20:], bytes(20)))
    (member,) = sources([path])
    with pytest.raises(SonotraceError, match=r"all\.zip/a\.png: cannot be unpacked"):
        member.read()
    with pytest.raises(SonotraceError, match=r"gone\.png: cannot be read"):
        Source(str(tmp_path / "gone.png")).read()


@pytest.mark.parametrize(("frames", "numbers"), [("middle", [2]), ("all", [1, 2, 3]), (3, [3])])
def test_the_frames_asked_for_are_cut_to_the_region(frames, numbers):
    found = views(Source("clip"), _clip(), Search(frames=frames))
    assert [one.frame for one in found] == numbers
    assert [int(one.image[0, 0]) for one in found] == [10 * number for number in numbers]
    assert all(one.region == (4, 2, 24, 18) and one.image.shape == (16, 20) for one in found)


def test_dicom_without_a_patient_is_looked_at():
    content = dicom(np.full((20, 30), 9, np.uint8), regions=[region(0, 0, 30, 20)], PatientID="")
    assert views(Source("a.dcm"), content, Search())[0].image.shape == (20, 30)


def test_dicom_without_a_region_names_its_device_and_a_crop_lets_it_in():
    content = dicom(np.full((20, 30), 9, np.uint8), regions=[], Manufacturer="GE", ManufacturerModelName="E8")
    with pytest.raises(SonotraceError, match=r"^a\.dcm: no ultrasound region: .*'GE E8'"):
        views(Source("a.dcm"), content, Search())
    (found,) = views(Source("a.dcm"), content, Search(crops=lambda: {"GE E8": (1, 2, 11, 12)}))
    assert (found.region, found.image.shape) == ((1, 2, 11, 12), (10, 10))


def test_other_files_say_what_they_are():
    with pytest.raises(SonotraceError, match=r"^a\.png: .*; export the image again"):
        views(Source("a.png"), b"GIF89a", Search())


def _renamed(path, name, other):
    """Write other bytes in place of a name in a zip, in both of its headers."""
    path.write_bytes(path.read_bytes().replace(name, other))
    return path


def test_a_member_name_that_is_wrongly_marked_as_utf8_is_reported(tmp_path):
    path = _renamed(_zip(tmp_path / "a.zip", {"ä.png": PNG}), "ä".encode(), b"\xe4\xe4")
    (none,) = sources([path])
    with pytest.raises(SonotraceError, match=r"a\.zip: cannot be opened as zip"):
        none.read()


def test_a_member_without_a_name_is_no_image(tmp_path):
    path = _renamed(_zip(tmp_path / "a.zip", {"N": b"", "b.png": PNG}), b"N", b"\0")
    assert [one.member for one in sources([path])] == ["b.png"]


def test_a_path_with_a_nul_is_reported():
    (one,) = sources([Path("a\0b.png")])
    with pytest.raises(SonotraceError, match="not a file name") as caught:
        one.read()
    assert str(caught.value).isprintable()
