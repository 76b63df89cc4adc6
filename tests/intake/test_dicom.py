"""DICOM files give the pixels of their ultrasound region, and nothing that tells whose they are."""

import io
import pickle
import struct
import subprocess
import sys
import traceback
import zlib
from dataclasses import replace

import numpy as np
import pytest
from dicom_files import MULTIFRAME, as_ultrasound, compressed, dicom, jpeg, region, written
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.encaps import generate_frames
from pydicom.pixels import convert_color_space
from pydicom.uid import (
    JPEG2000,
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

from sonotrace.intake import dicom as dicom_reader
from sonotrace.intake.dicom import Refused, read
from sonotrace.labels.listing import is_dicom

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # what it says while tests write files

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (48, 64), dtype=np.uint8)
SMOOTH = np.add.outer(np.arange(48) * 2, np.arange(64)).astype(np.uint8)
COLOUR = RANDOM.integers(0, 256, (48, 64, 3), dtype=np.uint8)
CLIP = RANDOM.integers(0, 256, (4, 48, 64), dtype=np.uint8)
SCANNER = "GE Healthcare Voluson E8"


def _image(content, frames="middle", crops=None):
    return read(content, frames, crops or {}).frames[0].image


def _luma(colours):
    return colours.astype(float) @ [0.299, 0.587, 0.114]


def _refused(content, reason, frames="middle", crops=None):
    with pytest.raises(Refused) as caught:
        read(content, frames, crops or {})
    assert caught.value.reason == reason
    assert ": " not in reason
    return caught.value.detail


def _jpeg2000(colours, **options):
    buffer = io.BytesIO()
    Image.fromarray(colours).save(buffer, "JPEG2000", no_jp2=True, mct=1, **options)
    return buffer.getvalue()


# Every form of pixel data gives the stored picture


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
        JPEG2000Lossless,
    ],
)
def test_lossless_files_give_the_very_pixels(syntax):
    assert (_image(dicom(GREY, syntax=syntax)) == GREY).all()
    deep = GREY.astype(np.uint16) << 4 | 7
    assert (_image(dicom(deep, bits=12, syntax=syntax)) == GREY).all()
    np.testing.assert_allclose(_image(dicom(COLOUR, "RGB", syntax=syntax)), _luma(COLOUR), atol=1)


def test_jpeg_gives_the_picture_nearly():
    np.testing.assert_allclose(_image(jpeg(SMOOTH)), SMOOTH, atol=4)
    colours = np.stack([SMOOTH, 255 - SMOOTH, SMOOTH // 2], axis=-1)
    np.testing.assert_allclose(_image(jpeg(colours, "YBR_FULL_422")), _luma(colours), atol=4)


def test_lossless_jpeg_and_jpeg_ls_give_the_pixels_of_their_uncompressed_twins():
    pairs = [("SC_rgb_jpeg_gdcm.dcm", "SC_rgb_rle.dcm"), ("MR_small_jpeg_ls_lossless.dcm", "MR_small.dcm")]
    for packed, plain in pairs:
        image = _image(as_ultrasound(packed))
        assert np.ptp(image) > 0
        assert (image == _image(as_ultrasound(plain))).all()


def test_jpeg_2000_colour_transforms_are_undone():
    size = {"Rows": 48, "Columns": 64}
    exact = compressed([_jpeg2000(COLOUR)], JPEG2000Lossless, "YBR_RCT", **size)
    np.testing.assert_allclose(_image(exact), _luma(COLOUR), atol=1)
    smooth = np.stack([SMOOTH, 255 - SMOOTH, SMOOTH // 2], axis=-1)
    lossy = compressed([_jpeg2000(smooth, irreversible=True)], JPEG2000, "YBR_ICT", **size)
    np.testing.assert_allclose(_image(lossy), _luma(smooth), atol=4)


def test_monochrome1_is_inverted():
    assert (_image(dicom(GREY, "MONOCHROME1")) == 255 - GREY).all()


def test_colour_by_plane_is_read_as_colour_by_pixel():
    planes = np.moveaxis(COLOUR, -1, 0).tobytes()
    by_plane = dicom(planes, "RGB", Rows=48, Columns=64, PlanarConfiguration=1)
    assert (_image(by_plane) == _image(dicom(COLOUR, "RGB"))).all()


def test_ybr_is_read_as_the_colours_it_stands_for():
    smooth = np.stack([SMOOTH, 200 - SMOOTH, SMOOTH // 2 + 60], axis=-1)
    ybr = convert_color_space(smooth, "RGB", "YBR_FULL")
    np.testing.assert_allclose(_image(dicom(ybr, "YBR_FULL")), _luma(smooth), atol=2)
    pairs = ybr.reshape(48, 32, 6)
    halved = pairs[..., [0, 3, 1, 2]].tobytes()
    image = _image(dicom(halved, "YBR_FULL_422", Rows=48, Columns=64))
    np.testing.assert_allclose(image, _luma(smooth), atol=4)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("segmented", [False, True])
@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (8, np.uint16), (16, np.uint16)])
def test_palette_colours_are_looked_up(bits, dtype, segmented, frames, syntax):
    if segmented and dtype == np.uint16 and bits == 8:
        pytest.skip("segments have entries of the stated bits")
    table = RANDOM.integers(0, 256, (3, 256), dtype=np.uint8)
    entries = (table.astype(dtype) << (bits - 8)).astype(dtype)
    lookup = {}
    for name, colour in zip(("Red", "Green", "Blue"), entries, strict=True):
        lookup[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, bits]
        # Two discrete segments of 128 entries each (PS3.3, C.7.9.2).
        stored = np.concatenate([[0, 128], colour[:128], [0, 128], colour[128:]]) if segmented else colour
        words = np.frombuffer(stored.astype(dtype).tobytes(), np.uint16)
        data = words.astype(words.dtype.newbyteorder(">") if syntax == ExplicitVRBigEndian else "<u2").tobytes()
        lookup[f"{'Segmented' if segmented else ''}{name}PaletteColorLookupTableData"] = data
    content = dicom(np.stack([GREY] * frames), "PALETTE COLOR", syntax=syntax, **lookup)
    for frame in read(content, "all", {}).frames:
        np.testing.assert_allclose(frame.image, _luma(table.T[GREY]), atol=1)


@pytest.mark.parametrize(
    ("samples", "bits", "grey"),
    [
        (np.array([[0, 255, 256, 0x1234, 65535, 1]], np.uint16), 16, [0, 0, 1, 0x12, 255, 0]),
        (np.array([[0, 15, 16, 4095, 2048, 1]], np.uint16), 12, [0, 0, 1, 255, 128, 0]),
        (np.array([[-2048, -2033, -2032, 0, 2047, 1]], np.int16), 12, [0, 0, 1, 128, 255, 128]),
        (np.array([[-128, -1, 0, 1, 127, 5]], np.int8), 8, [0, 127, 128, 129, 255, 133]),
    ],
)
def test_samples_keep_the_highest_8_of_their_stored_bits(samples, bits, grey):
    samples = np.repeat(samples, 2, axis=0)
    assert _image(dicom(samples, bits=bits)).tolist() == [grey, grey]


def test_what_old_scanners_hide_in_unused_bits_stays_out():
    overlay = RANDOM.integers(0, 16, (48, 64), dtype=np.uint16) << 12
    assert (_image(dicom(GREY.astype(np.uint16) << 4 | overlay, bits=12)) == GREY).all()


def test_a_real_ultrasound_clip_is_read():
    clip = read(as_ultrasound("examples_ybr_color.dcm"), "all", {})
    assert (len(clip.frames), clip.size, clip.scanner) == (30, (320, 240), "SonoSite, Inc. Turbo")
    assert all(50 < frame.image.max() < 255 for frame in clip.frames)
    assert len({frame.image.tobytes() for frame in clip.frames}) > 20


# Frames


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless])
@pytest.mark.parametrize(("frames", "numbers"), [("middle", [2]), ("all", [1, 2, 3, 4]), (1, [1]), (4, [4])])
def test_the_chosen_frames_are_read(syntax, frames, numbers):
    clip = read(dicom(CLIP, syntax=syntax), frames, {})
    assert [frame.number for frame in clip.frames] == numbers
    for frame in clip.frames:
        assert (frame.image == CLIP[frame.number - 1]).all()


@pytest.mark.parametrize(("count", "middle"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3)])
def test_the_middle_of_an_even_number_is_the_earlier_one(count, middle):
    clip = read(dicom(np.repeat(GREY[None], count, axis=0)), "middle", {})
    assert [frame.number for frame in clip.frames] == [middle]


def test_frames_that_are_not_chosen_are_not_decoded():
    whole = dcmread(io.BytesIO(jpeg(np.stack([SMOOTH] * 3))))
    good = next(generate_frames(whole.PixelData, number_of_frames=3))
    clip = compressed([b"not a jpeg", good, b"nor is this"], JPEGBaseline8Bit, Rows=48, Columns=64)
    assert read(clip, "middle", {}).frames[0].number == 2
    _refused(clip, "undecodable pixels", frames="all")
    _refused(clip, "undecodable pixels", frames=1)


@pytest.mark.parametrize("number", [5, 99])
def test_a_frame_beyond_the_clip_is_refused(number):
    _refused(dicom(CLIP), "no such frame", frames=number)


def test_fewer_frames_than_stated_are_refused():
    _refused(dicom(CLIP, NumberOfFrames=5), "undecodable pixels")
    short = dicom(CLIP, syntax=RLELossless, NumberOfFrames=6)
    _refused(short, "undecodable pixels", frames="all")


# Only what lies in the region


@given(left=st.integers(0, 62), top=st.integers(0, 46), width=st.integers(2, 64), height=st.integers(2, 48))
def test_an_image_is_the_frame_inside_its_region(left, top, width, height):
    box = (left, top, min(64, left + width), min(48, top + height))
    frame = read(dicom(GREY, regions=[region(*box)]), "middle", {}).frames[0]
    assert frame.region == box
    assert (frame.image == GREY[box[1] : box[3], box[0] : box[2]]).all()


def test_an_image_holds_no_memory_of_the_rest_of_its_frame():
    image = _image(dicom(GREY, regions=[region(8, 6, 56, 40)]))
    assert image.base is None or image.base.size == image.size


def test_the_largest_region_of_tissue_in_2d_is_taken():
    regions = [
        region(0, 0, 64, 48, space=5),
        region(0, 0, 64, 48, shows=2),
        region(1, 1, 9, 9),
        region(10, 5, 50, 40, mm=(0.1, 0.2)),
        region(51, 5, 60, 40),
    ]
    clip = read(dicom(GREY, regions=regions), "middle", {})
    assert clip.frames[0].region == (10, 5, 50, 40)
    assert clip.mm_per_px == pytest.approx((0.1, 0.2))


def test_a_region_that_counts_to_the_width_is_cut_to_the_frame():
    assert read(dicom(GREY, regions=[region(3, 2, 65, 49)]), "middle", {}).frames[0].region == (3, 2, 64, 48)


@pytest.mark.parametrize(
    "regions",
    [
        [],
        [region(0, 0, 64, 48, space=3)],
        [region(0, 0, 64, 48, shows=9)],
        [region(5, 5, 6, 40)],
        [region(5, 5, 40, 6)],
        [region(40, 5, 10, 40)],
        [region(0, 0, 1, 1)],
        [Dataset()],
        [region(100, 5, 160, 40)],
        [region(4, 4, 66, 40)],
        [region(4, 4, 60, 50), region(4, 4, 20, 20)],
    ],
    ids=lambda regions: f"{len(regions)} regions",
)
def test_a_file_without_a_region_to_crop_to_is_refused(regions):
    assert SCANNER in _refused(dicom(GREY, regions=regions), "no ultrasound region")


def test_a_file_that_lacks_the_attribute_of_regions_is_refused():
    _refused(dicom(GREY, SequenceOfUltrasoundRegions=None), "no ultrasound region")


@pytest.mark.parametrize("answer", ["YES", "yes", "MAYBE"])
def test_a_file_marked_as_burned_in_is_refused(answer):
    assert SCANNER in _refused(dicom(GREY, BurnedInAnnotation=answer), "burned-in annotation")


@pytest.mark.parametrize("answer", ["NO", ""])
def test_a_file_that_is_not_marked_as_burned_in_is_let_in(answer):
    assert (_image(dicom(GREY, BurnedInAnnotation=answer)) == GREY).all()


@pytest.mark.parametrize("attributes", [{"BurnedInAnnotation": "YES"}, {"regions": []}, {}])
def test_a_crop_box_for_the_device_lets_a_file_in_and_wins(attributes):
    content = dicom(GREY, **attributes, Manufacturer=" GE  Healthcare ", ManufacturerModelName="Voluson E8")
    for device in (SCANNER, f"  {SCANNER}"):
        frame = read(content, "middle", {device: (8, 6, 56, 40)}).frames[0]
        assert frame.region == (8, 6, 56, 40)
        assert (frame.image == GREY[6:40, 8:56]).all()


@pytest.mark.parametrize("device", ["Voluson E8", "GE Healthcare Voluson E10", "", " "])
def test_a_crop_box_for_another_device_lets_nothing_in(device):
    crops = {device: (8, 6, 56, 40)}
    _refused(dicom(GREY, BurnedInAnnotation="YES"), "burned-in annotation", crops=crops)
    unnamed = dicom(GREY, BurnedInAnnotation="YES", Manufacturer=None, ManufacturerModelName=None)
    _refused(unnamed, "burned-in annotation", crops=crops)


@pytest.mark.parametrize("crop", [(0, 0, 65, 48), (0, 0, 64, 49), (70, 0, 80, 10), (-1, 0, 9, 9), (9, 9, 9, 20)])
def test_a_crop_box_that_does_not_fit_the_frame_is_refused(crop):
    assert SCANNER in _refused(dicom(GREY), "crop box out of frame", crops={SCANNER: crop})


# Spacing


@pytest.mark.parametrize(
    ("stated", "units", "kept"),
    [
        ((0.5, 0.25), 3, (0.5, 0.25)),
        ((-0.5, -0.25), 3, (0.5, 0.25)),
        ((0.5, 0.25), 4, None),
        ((0.5, 0.25), 0, None),
        ((0, 0.25), 3, None),
        ((float("inf"), 0.25), 3, None),
        ((float("nan"), 0.25), 3, None),
    ],
)
def test_spacing_in_cm_is_kept_as_mm_per_px(stated, units, kept):
    content = dicom(GREY, regions=[region(0, 0, 64, 48, mm=stated, units=units)])
    assert read(content, "middle", {}).mm_per_px == (kept and pytest.approx(kept))


@pytest.mark.parametrize(
    ("regions", "kept"),
    [
        ([region(0, 0, 64, 48)], (0.5, 0.25)),
        ([region(0, 0, 30, 48), region(30, 0, 64, 48)], (0.5, 0.25)),
        ([region(0, 0, 30, 48), region(30, 0, 64, 48, mm=(1, 1))], None),
        ([region(0, 0, 8, 48)], None),
        ([region(0, 0, 640, 480)], None),
        ([], None),
    ],
)
def test_a_crop_box_has_the_spacing_that_the_regions_under_it_agree_on(regions, kept):
    clip = read(dicom(GREY, regions=regions), "middle", {SCANNER: (8, 6, 56, 40)})
    assert clip.mm_per_px == (kept and pytest.approx(kept))


# What else a file says, and what is refused


def test_a_clip_says_whose_it_is_only_to_code():
    clip = read(dicom(GREY, PatientID=" aB-1 ", IssuerOfPatientID="Ward 3"), "middle", {})
    assert (clip.patient, clip.instance, clip.scanner) == ("aB-1\nWard 3", "1.2.826.0.1.3680043.8.498.1", SCANNER)
    assert clip.size == (64, 48)
    assert read(dicom(GREY), "middle", {}).patient == "P-1"


def test_ids_are_read_in_their_character_set():
    assert read(dicom(GREY, SpecificCharacterSet="ISO_IR 192", PatientID="Ä-1"), "middle", {}).patient == "Ä-1"


@pytest.mark.parametrize("patient", [None, "", "  ", ["A", "B"]])
def test_a_file_without_a_patient_is_refused(patient):
    _refused(dicom(GREY, PatientID=patient), "unreadable patient")


def test_a_patient_id_in_a_wrong_character_set_is_refused():
    content = dicom(GREY, SpecificCharacterSet="ISO_IR 192", PatientID="Mue-1")
    _refused(content.replace(b"Mue-1", b"M\xfc\xe9-1"), "unreadable patient")


@pytest.mark.parametrize(("modality", "kind"), [("CT", MULTIFRAME), ("SR", MULTIFRAME), (None, "1.2.3"), ("", "1.2.3")])
def test_what_is_not_ultrasound_is_refused(modality, kind):
    _refused(dicom(GREY, Modality=modality, SOPClassUID=kind), "not ultrasound")


@pytest.mark.parametrize("kind", ["6.1", "3.1", "6", "3"])
def test_ultrasound_files_without_a_modality_are_let_in(kind):
    content = dicom(GREY, Modality=None, SOPClassUID=f"1.2.840.10008.5.1.4.1.1.{kind}")
    assert (_image(content) == GREY).all()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "damaged file"),
        (b"\x89PNG\r\n" + bytes(400), "damaged file"),
        (dicom(GREY)[132:], "damaged file"),
        (dicom(GREY, SOPInstanceUID=None), "damaged file"),
        (dicom(GREY, Rows=None), "damaged file"),
        (dicom(GREY, PixelData=None), "no image"),
        (dicom(GREY, Rows=96, regions=[region(0, 0, 64, 48)]), "undecodable pixels"),
        (compressed([b"moving pictures"], MPEG2MPML, Rows=48, Columns=64), "unsupported compression"),
        (compressed([b"not a jpeg"], JPEGBaseline8Bit, Rows=48, Columns=64), "undecodable pixels"),
        (dicom(COLOUR, "HSV"), "unsupported pixels"),
        (dicom(GREY.astype(np.uint16), bits=12, HighBit=15), "unsupported pixels"),
        (dicom(GREY, bits=4), "unsupported pixels"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_reason(content, reason):
    assert _refused(content, reason)


WHOLE = {
    "uncompressed": dicom(CLIP),
    "deflated": dicom(GREY, syntax=DeflatedExplicitVRLittleEndian),
    "run lengths": dicom(CLIP, syntax=RLELossless),
    "jpeg": jpeg(np.stack([SMOOTH] * 3)),
}


@pytest.mark.parametrize("form", WHOLE)
@given(share=st.floats(0, 1))
def test_a_file_cut_short_anywhere_is_refused(form, share):
    content = WHOLE[form]
    read(content, 1, {})
    _refused(content[: len(content) // 2], "damaged file")
    last = len(content) - 5  # the four bytes at the end of an end mark carry nothing
    with pytest.raises(Refused):
        read(content[: int(share * last)], 1, {})


def test_files_are_known_by_their_ending_or_their_mark(tmp_path):
    (tmp_path / "folder").mkdir()
    marked, plain = dicom(GREY), bytes(200)
    for name, content, expected in [
        ("a.dcm", plain, True),
        ("a.DICOM", plain, True),
        ("IM_0001", marked, True),
        ("1.2.840.113619.2", marked, True),
        ("IM_0002", plain, False),
        ("short", b"DICM", False),
        ("a.png", marked, True),
        ("a.txt", marked, False),
    ]:
        (tmp_path / name).write_bytes(content)
        assert is_dicom(tmp_path / name) == expected
    assert not is_dicom(tmp_path / "folder")
    assert not is_dicom(tmp_path / "gone")


# Nothing that tells who it is gets past

PLANTED = "Quaggenheim"
STAMP = "19010203"
BURNED_IN = 203


def _planted(**attributes):
    """Return a file full of a patient's name, and with bright letters burned in around the region."""
    pixels = np.full((48, 64), BURNED_IN, np.uint8)
    pixels[10:40, 10:50] = GREY[10:40, 10:50] // 2
    nested = Dataset()
    nested.PatientName = nested.PatientID = PLANTED
    words = dict.fromkeys(
        (
            *(
                "PatientName",
                "PatientID",
                "IssuerOfPatientID",
                "OtherPatientNames",
                "PatientBirthName",
                "PatientAddress",
            ),
            *("PatientMotherBirthName", "PatientTelephoneNumbers", "PatientComments", "AdditionalPatientHistory"),
            *("ReferringPhysicianName", "OperatorsName", "PerformingPhysicianName", "InstitutionName", "StationName"),
            *("InstitutionAddress", "StudyDescription", "SeriesDescription", "ImageComments", "ProtocolName"),
            *("AccessionNumber", "StudyID", "DeviceSerialNumber", "RequestedProcedureDescription", "Occupation"),
            *("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"),
        ),
        PLANTED,
    )
    dates = dict.fromkeys(("PatientBirthDate", "StudyDate", "SeriesDate", "ContentDate", "AcquisitionDateTime"), STAMP)
    said = {"regions": [region(10, 10, 50, 40)], "SpecificCharacterSet": PLANTED, "OtherPatientIDsSequence": [nested]}
    content = dicom(pixels, **said | words | dates | attributes)
    dataset = dcmread(io.BytesIO(content))
    dataset.private_block(0x0019, PLANTED, create=True).add_new(1, "LO", PLANTED)
    dataset.add_new(0x60000022, "LO", PLANTED)
    dataset.add_new(0x60003000, "OW", (PLANTED + " ").encode())
    dataset.file_meta.SourceApplicationEntityTitle = PLANTED
    dataset.file_meta.MediaStorageSOPInstanceUID = PLANTED
    return written(dataset)


REFUSED = {
    "burned in": {"BurnedInAnnotation": PLANTED},
    "no region": {"regions": []},
    "not ultrasound": {"Modality": PLANTED, "SOPClassUID": PLANTED},
    "no image": {"PixelData": None},
    "no size": {"Rows": None},
    "no such colours": {"PhotometricInterpretation": PLANTED},
    "no such frames": {"NumberOfFrames": 9},
    "no patient": {"PatientID": [PLANTED, PLANTED]},
    "no instance": {"SOPInstanceUID": [PLANTED, PLANTED]},
}


def _tells(text):
    return PLANTED in text or STAMP in text


def test_no_word_of_the_patient_is_in_what_is_shown_or_kept():
    content = _planted()
    assert content.count(PLANTED.encode()) > 35
    clip = read(content, "middle", {})
    assert clip.patient == f"{PLANTED}\n{PLANTED}"
    assert clip.instance == PLANTED
    assert not _tells(f"{clip!r} {clip} {clip.frames!r}")
    assert "array" not in repr(clip)
    assert not _tells(pickle.dumps(replace(clip, patient="", instance="")).decode("latin-1"))


def test_only_the_attributes_of_the_list_are_read():
    found = {element.keyword for element in dicom_reader._parse(_planted())}
    assert "PatientID" in found
    assert found <= set(dicom_reader.ATTRIBUTES)


def test_nothing_burned_in_outside_the_region_survives():
    clip = read(_planted(), "middle", {})
    assert bytes([BURNED_IN] * 10) in _planted()
    assert clip.frames[0].image.shape == (30, 40)
    assert clip.frames[0].image.max() < BURNED_IN
    assert bytes([BURNED_IN] * 10) not in pickle.dumps(clip)


@pytest.mark.parametrize("why", REFUSED)
def test_no_word_of_the_patient_is_in_a_refusal(why):
    with pytest.raises(Refused) as caught:
        read(_planted(**REFUSED[why]), "middle", {})
    assert caught.value.detail
    assert not _tells("".join(traceback.format_exception(caught.value)) + repr(caught.value.args))


def test_no_word_of_the_patient_is_printed_or_logged(tmp_path):
    for why, attributes in {"good": {}, **REFUSED}.items():
        (tmp_path / f"{why}.dcm").write_bytes(_planted(**attributes))
    script = """
import logging, warnings
from pathlib import Path
from sonotrace.intake import dicom as dicom_reader
from sonotrace.intake.dicom import Refused, read
from sonotrace.running.parallel import in_order

def look(path):
    try:
        return repr(read(path.read_bytes(), "middle", {}))
    except Refused:
        logging.exception("refused")
        return "refused"

logging.basicConfig(level=logging.DEBUG)
print(*in_order(look, sorted(Path().glob("*.dcm")) * 5, workers=4))
"""
    command = [sys.executable, "-W", "always", "-c", script]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout.count("refused") == 5 * len(REFUSED)
    assert ran.stdout.count("Clip(") == 5
    assert "Traceback" in ran.stderr
    assert not _tells(ran.stdout + ran.stderr)


# Files that claim to be larger than memory


def _claiming(content, mark, at, form, *sizes):
    """Return a file whose compressed frame has another size in its own header."""
    changed = bytearray(content)
    struct.pack_into(form, changed, content.index(mark) + at, *sizes)
    return bytes(changed)


JPEG_HEAD, JPEG_LS_HEAD, CODESTREAM = b"\xff\xc0", b"\xff\xf7", b"\xff\x4f\xff\x51"
LARGE = {
    "jpeg": _claiming(jpeg(SMOOTH), JPEG_HEAD, 5, ">HH", 65500, 65500),
    "jpeg 2000": _claiming(as_ultrasound("JPEG2000.dcm"), CODESTREAM, 8, ">II", 40_000, 40_000),
    "jpeg-ls": _claiming(as_ultrasound("MR_small_jpeg_ls_lossless.dcm"), JPEG_LS_HEAD, 5, ">HH", 65535, 65535),
    "its attributes": compressed([bytes(100)], RLELossless, Rows=65535, Columns=65535),
}


@pytest.mark.parametrize("form", LARGE)
def test_a_frame_that_claims_too_large_a_size_is_refused_before_it_is_decoded(form):
    assert "million pixels" in _refused(LARGE[form], "too large")


def test_a_frame_without_a_height_is_refused_before_it_is_decoded():
    assert "states no height" in _refused(_claiming(jpeg(SMOOTH), JPEG_HEAD, 5, ">HH", 0, 32), "undecodable pixels")


def test_a_file_that_inflates_to_too_much_is_refused(monkeypatch):
    monkeypatch.setattr(dicom_reader, "MOST_BYTES", 3_000_000)
    whole = dicom(GREY, syntax=DeflatedExplicitVRLittleEndian)
    start = 144 + struct.unpack_from("<I", whole, 140)[0]  # after the preamble and the group of the file
    data_set, packer = zlib.decompress(whole[start:], -15), zlib.compressobj(wbits=-15)
    packed = packer.compress(data_set + bytes(4_000_000)) + packer.flush()
    assert "inflates" in _refused(whole[:start] + packed, "too large")


def test_more_frames_than_bytes_are_refused():
    assert "more frames than" in _refused(dicom(GREY, NumberOfFrames=10**6), "damaged file", frames="all")


def test_too_many_pixels_in_all_frames_are_refused(monkeypatch):
    monkeypatch.setattr(dicom_reader, "MOST_PIXELS", 3 * GREY.size)
    assert len(read(dicom(CLIP), 2, {}).frames) == 1
    assert "one frame" in _refused(dicom(CLIP), "too large", frames="all")


def test_a_region_that_starts_before_the_first_pixel_is_ignored():
    item = region(0, 0, 20, 20)
    item.add_new(0x00186018, "SL", -5)  # RegionLocationMinX0, which is unsigned by the standard
    assert _refused(dicom(GREY, regions=[item]), "no ultrasound region")
