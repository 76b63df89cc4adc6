"""Targets of `fuzz.py`: the contents of a snapshot, from label tables to archives, images and DICOM."""

import gzip
import os
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from fuzz_inputs import (
    ALIASES,
    CARD,
    COCO,
    DEEP,
    GREY,
    PNG,
    SHA,
    TABLE,
    Made,
    emptied,
    encoded,
    joined,
    lay_out,
    parted,
    reported,
    target,
    tarred,
    zipped,
)
from measure import REPOSITORY
from PIL import Image

from sonotrace.errors import SonotraceError


@target
def label_table(at: Path) -> Made:
    """A CSV of plane labels, with two images."""
    take = _taking(at, "planes", 8)
    seeds = [TABLE, TABLE.replace(b",", b";"), b'\xef\xbb\xbfimage_name,plane\n"a",Other\n\n,\nc,"x\ny"\n']
    return lambda content: take([("image_label.csv", content), ("a.png", PNG), ("b.png", PNG)]), seeds


@target
def yolo(at: Path) -> Made:
    """data.yaml, class lists and YOLO labels, as Roboflow, CVAT and Label Studio write them."""
    take = _taking(at, "structures", 8)
    images = [("images/a.png", PNG), ("images/b.png", PNG), ("obj_train_data/c.png", PNG)]
    labels = {"labels/a.txt": b"1 0.5 0.5 0.25 0.25\n0 .1 .1 .2 .1 .2 .2\n", "labels/b.txt": b""}
    keypoints = CARD + b"kpt_shape: [2, 3]\n"
    seeds = [
        joined({"data.yaml": CARD} | labels),
        joined({"data.yaml": b"names: {0: CSP, 1: x}\n" + b"nc: 2\n"} | labels),
        joined({"data.yaml": keypoints, "labels/a.txt": b"1 .5 .5 .2 .2 .5 .5 2 .4 .4 2\n"}),
        joined({"classes.txt": b"CSP\nMIDLINE_FALX\n"} | labels),
        joined({"obj.names": b"CSP\n", "obj_train_data/c.txt": b"0 0.5 0.5 0.1 0.1 0.9 7\n"}),
        joined({"data.yaml": DEEP} | labels),
        joined({"data.yaml": ALIASES, "labels/a.txt": b"0 1e308 nan inf -1\n"}),
    ]
    return lambda content: take([*images, *parted(content)]), seeds


@target
def coco(at: Path) -> Made:
    """COCO JSON, with two images."""
    take = _taking(at, "structures", 8)
    files = [("a.png", PNG), ("images/b.png", PNG)]
    seeds = [COCO, COCO.replace(b"0", b"12e9"), DEEP, COCO.replace(b"CSP", b"\\ud800")]
    return lambda content: take([("_annotations.coco.json", content), *files]), seeds


@target
def snapshot(at: Path) -> Made:
    """A whole snapshot with any names: folders of planes, exports, archives, DICOM, read-me files."""
    from dicom_files import dicom

    takes = [_taking(at, kind) for kind in ("planes", "structures", "out_of_scope")]
    notes = b"The following pre-processing was applied to each image:\n* Resize to 640x640 (Stretch)\n* Auto\n"
    yolo_export = {"data.yaml": CARD, "train/images/a.rf.1.png": PNG, "train/labels/a.rf.1.txt": b"1 .5 .5 .2 .2\n"}
    seeds = [
        joined({"train/Fetal brain/a.png": PNG, "val/Fetal femur/b.jpg": encoded("JPEG")}),
        joined({"image_label.csv": TABLE, "sub/a.png": PNG, "b.tif": encoded("TIFF")}),
        joined(yolo_export | {"README.roboflow.txt": notes}),
        joined({"_annotations.coco.json": COCO, "a.png": PNG}),
        joined({"x.zip": zipped(yolo_export), "image_label.csv": TABLE}),
        joined({"x.tar": tarred(yolo_export)}),
        joined({"a.dcm": dicom(GREY), "1.2.3": dicom(GREY), "image_label.csv": TABLE}),
    ]

    def run(content: bytes) -> None:
        takes[len(content) % 3](parted(content))

    return run, seeds + [seed + b" " for seed in seeds] + [seed + b"  " for seed in seeds]


def _taking(at: Path, kind: str, every: int = 1) -> Callable[[list[tuple[str, bytes]]], None]:
    """Return a function that takes in a folder as `pull` does, and checks one in `every` as `validate` does."""
    from sonotrace import kinds, labels
    from sonotrace.checks.report import describe
    from sonotrace.checks.rows import judge
    from sonotrace.intake import pins, tree
    from sonotrace.intake.bring import DicomSettings
    from sonotrace.intake.fetch import Fetched
    from sonotrace.intake.take_in import Terms, take_in
    from sonotrace.labels.corrections import Corrections
    from sonotrace.patients import pseudonyms
    from sonotrace.patients.withdrawals import Withdrawals
    from sonotrace.running.outputs import write_csv, write_json
    from sonotrace.sources import Request, incoming
    from sonotrace.tables import read_table

    os.environ[pseudonyms.VARIABLE] = "k" * 32
    pseudonyms.record()
    for table in ("corrections.csv", "withdrawn.csv"):
        (at / "data" / table).write_bytes((REPOSITORY / "data" / table).read_bytes())
    of_kind, pattern = kinds.KINDS[kind], re.compile("(?P<patient>.+)", re.DOTALL)

    def run(files: list[tuple[str, bytes]]) -> None:
        lay_out(emptied(at / "origin"), files)
        into = emptied(at / "into")
        found = incoming.fetch(Request("it", kind, at / "origin", {}, into, at / "keep", None, 1, print))
        tree.check(found.folder)
        fetched = Fetched(found, at / "origin", pins.contents(found.folder, 1), found.folder == into)
        listing = labels.of(kind).read_snapshot(found.folder, {"table": "image_label.csv"}, "it")
        tree.ignored(found.folder, listing)
        terms = Terms("it", pattern, DicomSettings(), Withdrawals(), Corrections("it", of_kind))
        texts = [text for one in listing.entries for text in vars(one).values() if isinstance(text, str)]
        "".join([*texts, *(box.structure for one in listing.entries for box in one.boxes)]).encode()
        if zlib.crc32(repr(files).encode()) % every:  # the rest, with pandas, takes most of the time
            return
        taken = take_in(listing.entries, fetched, at / "images", terms)
        write_json({"licence": found.licence, "before": dict(found.preprocessing)}, at / "snapshot.json")
        for table in (taken.manifest, taken.boxes):
            write_csv(table, at / "table.csv")
            again = read_table(at / "table.csv")
            text = table.select_dtypes("object").astype(str)
            assert text.equals(again[list(text)].astype(str)), "a table is read otherwise than written"
        accepted, quarantine = judge("it", of_kind, read_table_of(taken.manifest, at), taken.boxes, {})
        describe(of_kind, taken.manifest, accepted, accepted[:0], quarantine, taken.boxes)

    def read_table_of(table: Any, at: Path) -> Any:
        write_csv(table, at / "manifest.csv")
        return read_table(at / "manifest.csv")

    return run


@target
def archive(at: Path) -> Made:
    """Zip and tar files, unpacked; in half of the tar files the checksums of the headers are corrected."""
    from sonotrace.sources.transfer.archives import unpack

    files = {"a/data.yaml": CARD, "a/images/b.png": PNG, "ä/c.txt": b"0" * 300}
    tar = tarred(files | {"n" * 150: b"1"})
    seeds = [zipped(files), zipped(files, zipfile.ZIP_DEFLATED), tar, tarred(files, tarfile.GNU_FORMAT)]
    seeds += [gzip.compress(tar), tarred(files, tarfile.USTAR_FORMAT)]

    def run(content: bytes) -> None:
        is_zip = b"PK" in content[:64] or b"PK\x05\x06" in content[-64:]
        if not is_zip and len(content) % 2:
            content = _with_tar_sums(content)
        path = at / ("x.zip" if is_zip else "x.tar")
        path.write_bytes(content)
        emptied(at / "out")
        try:
            unpack(path, at / "out" / "into")
        except SonotraceError:
            assert not any((at / "out").iterdir()), "a refused archive left something behind"
            raise
        finally:
            assert {one.name for one in at.iterdir()} <= {"x.zip", "x.tar", "out"}, "unpacked outside the folder"

    return run, seeds


def _with_tar_sums(content: bytes) -> bytes:
    blocks = [content[start : start + 512] for start in range(0, len(content), 512)]
    for number, block in enumerate(blocks):
        if block[257:262] == b"ustar" and len(block) == 512:
            cleared = block[:148] + b" " * 8 + block[156:]
            blocks[number] = block[:148] + b"%06o\0 " % sum(cleared) + block[156:]
    return b"".join(blocks)


@target
def zip_of_images(at: Path) -> Made:
    """What `predict` does with a zip or with file names."""
    from dicom_files import dicom

    from sonotrace.predict.search import Search
    from sonotrace.predict.sources import sources, views

    files = {"a.png": PNG, "b/1.2.3": dicom(GREY), "c.jpg": encoded("JPEG")}
    seeds = [zipped(files), zipped(files, zipfile.ZIP_DEFLATED), b"x.zip\na.png\n\n"]

    def run(content: bytes) -> None:
        (at / "x.zip").write_bytes(content)
        lines = [line for line in content[:200].split(b"\n")[:3] if b".." not in line]
        names = [at / "x.zip", *(Path(os.fsdecode(line)) for line in lines)]
        for source in sources(name for name in names if not name.is_dir()):
            with reported():
                views(source, source.read(), Search())

    return run, seeds


@target
def image(_: Path) -> Made:
    """PNG, JPEG, BMP and TIFF; in half of the PNG files the checksums are corrected."""
    from sonotrace.checks import decoding, unlike
    from sonotrace.images.grey import damage, decode_grey, header_size
    from sonotrace.images.preparation import Preparation

    colour, deep = np.dstack([GREY, GREY.T.reshape(24, 32), GREY]), GREY.astype(np.uint16) * 100
    exif = Image.Exif()
    exif[0x0112] = 6
    tiffs = [{}, {"compression": "tiff_lzw"}, {"compression": "jpeg"}, {"compression": "tiff_adobe_deflate"}]
    seeds = [PNG, encoded("PNG", colour), encoded("PNG", deep), encoded("PNG", exif=exif), encoded("BMP")]
    seeds += [encoded("BMP", colour), encoded("JPEG", exif=exif), encoded("JPEG", colour, progressive=True)]
    seeds += [encoded("TIFF", colour, **one) for one in tiffs] + [encoded("TIFF", deep), encoded("TIFF", exif=exif)]
    seeds += [bytes(cv2.imencode(".tif", np.dstack([deep] * channels))[1]) for channels in (3, 4)]
    seeds += [encoded("PNG", np.zeros((8000, 8000), np.uint8), compress_level=9)[:20_000]]
    preparations = [Preparation(32, 16, *how) for how in (("stretch", True), ("letterbox", True), ("stretch", False))]

    def run(content: bytes) -> None:
        if len(content) % 2:
            content = _with_png_sums(content)
        found, why = decode_grey(content), damage(content)
        assert (found is None) == bool(why), "damage and decode_grey contradict each other"
        assert why.isprintable(), f"no printable line: {why!r}"
        Path("x.png").write_bytes(content)
        size = header_size(Path("x.png"))
        if found is None:
            return
        assert found.dtype == np.uint8
        assert found.ndim == 2
        assert size is None or found.shape == size[::-1], f"decoded as {found.shape}, the header says {size}"
        decoding.measure(found), unlike.colour(content), unlike.histogram(found)
        for one in preparations:
            assert one.apply(found).shape == (16, 32)

    return run, seeds


def _with_png_sums(content: bytes) -> bytes:
    made, at = bytearray(content), 8
    while content.startswith(b"\x89PNG") and at + 12 <= len(made):
        end = at + 8 + int.from_bytes(made[at : at + 4])
        if end + 4 > len(made):
            break
        made[end : end + 4] = zlib.crc32(made[at + 4 : end]).to_bytes(4)
        at = end + 4
    return bytes(made)


@target
def dicom_file(at: Path) -> Made:
    """DICOM as `pull` and `predict` read it, all frames or one, and the structured report about it."""
    from dicom_files import as_ultrasound, dicom, jpeg, region
    from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless

    from sonotrace.intake.dicom import Refused, read
    from sonotrace.predict import reports
    from sonotrace.predict.prediction import Found, Prediction

    clip, uids = np.stack([GREY] * 3), {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.4"}
    seeds = [dicom(GREY, **uids), dicom(clip, **uids), dicom(np.dstack([GREY] * 3), "RGB"), jpeg(clip)]
    seeds += [dicom(GREY, regions=[region(2, 3, 20, 18)], syntax=one) for one in (ExplicitVRBigEndian, RLELossless)]
    seeds += [dicom(GREY, syntax=one) for one in (ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian)]
    seeds += [dicom(GREY.astype(np.uint16) * 9, bits=12), dicom(GREY.astype(np.int16) * 9)]
    shipped = ("JPEG2000.dcm", "SC_rgb_jpeg_dcmtk.dcm", "MR_small_jpeg_ls_lossless.dcm", "SC_rgb_rle_16bit_2frame.dcm")
    seeds += [as_ultrasound(name) for name in shipped]
    crops = {"GE Healthcare Voluson E8": (1, 1, 9, 9)}

    def run(content: bytes) -> None:
        needs, every, cropped = (len(content) % number == 0 for number in (2, 3, 5))
        try:
            found = read(content, "all" if every else "middle", crops if cropped else {}, needs_patient=needs)
        except Refused as refused:
            said = f"{refused.reason}: {refused.detail}"
            assert said.isprintable(), f"no printable line: {said!r}"
            return
        for frame in found.frames:
            left, top, right, bottom = frame.region
            inside = 0 <= left < right <= found.size[0] and 0 <= top < bottom <= found.size[1]
            assert inside, f"region {frame.region} of {found.size}"
            assert frame.image.dtype == np.uint8
            assert frame.image.shape == (bottom - top, right - left)
        box = Found("CSP", 0.5, [1.0, 1.0, 5.0, 5.0])
        one = Prediction("a.dcm", found.frames[0].number, found.frames[0].region, "brain", structures=[box])
        reports.write(content, "a.dcm", [one], {"planes": SHA, "structures": SHA}, emptied(at / "reports"))

    return run, [seed for seed in seeds if len(seed) < 40_000]
