"""DICOM Structured Reports of what the models say of DICOM files, for viewers and archives to take beside the images.

One Comprehensive SR a file, by template TID 1500 (Measurement Report): for each image looked at the plane, or that it
is none of those known, with the probability of each plane (TID 1501), and for each structure a polyline around its box
in px of the full frame, with its confidence, given as a probability (TID 1410). Each names the algorithm and the sha256
of its model. The report is complete, and not verified: nobody has looked at it.

A report belongs to the patient, so it carries the identifiers of the image. They go from the file that was read into
the report, through memory, and nowhere else. UIDs and the time are new in every report, as DICOM asks.
"""

import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from highdicom import UID
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    ImageRegion,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    SourceImageForMeasurementGroup,
    SourceImageForRegion,
    TrackingIdentifier,
)
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes

from sonotrace import __version__
from sonotrace.errors import SonotraceError
from sonotrace.predict.prediction import Found, Prediction

SCHEME = "99SONOTRACE"
"""Of our own codes, for what no public scheme was found to name."""
MANUFACTURER = "sonotrace"
SERIES_NUMBER = 9000
"""Beyond those that scanners give."""
DEVICE = UID("2.25.119163459817283245962160137424226150577")
"""Of the program as an observer, the same in all reports."""
PLANE_NAME = CodedConcept("PLANE", SCHEME, "Standard plane")
PLANES = {
    "abdomen": CodedConcept("ABDOMEN", SCHEME, "Fetal abdomen plane"),
    "brain": CodedConcept("BRAIN", SCHEME, "Fetal brain plane"),
    "femur": CodedConcept("FEMUR", SCHEME, "Fetal femur plane"),
    "thorax": CodedConcept("THORAX", SCHEME, "Fetal thorax plane"),
}
NONE = CodedConcept("NONE", SCHEME, "None of the planes known")
STRUCTURES = {
    "CHOROID_PLEXUS": CodedConcept("80621003", "SCT", "Choroid plexus"),
    "CSP": CodedConcept("74968005", "SCT", "Cavum septi pellucidi"),
    "MIDLINE_FALX": CodedConcept("MIDLINE_FALX", SCHEME, "Midline falx"),
}
_NEEDED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
"""Attributes that a report must repeat."""


def write(content: bytes, name: str, said: Sequence[Prediction], hashes: dict[str, str], folder: Path) -> Path:
    """Write the report of what was said of the images of one DICOM file, given its bytes, and return its path.

    `hashes` maps `planes` and `structures` to the sha256 of the models that were asked. Raises SonotraceError, with the
    remedy, where the file lacks a UID that a report must repeat, or has values that no report may hold.
    """
    uid = UID()
    try:
        image = dcmread(io.BytesIO(content), stop_before_pixels=True)
        missing = [keyword for keyword in _NEEDED if not image.get(keyword)]
        written = b"" if missing else _bytes(image, said, hashes, uid)
    except Exception:  # noqa: BLE001 - pydicom and highdicom raise many kinds, with values in their text
        raise SonotraceError(
            f"{name}: an attribute of the patient or the study is not valid DICOM, so no report of it can be written; "
            "correct it and export the file again"
        ) from None
    if missing:
        raise SonotraceError(f"{name}: has no {missing[0]}, which a report must name; export the file again")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{uid}.dcm"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(written)
    return path


def _bytes(image: Dataset, said: Sequence[Prediction], hashes: dict[str, str], uid: UID) -> bytes:
    report = ComprehensiveSR(
        evidence=[_evidence(image)],
        content=_content(image, said, hashes),
        series_instance_uid=UID(),
        series_number=SERIES_NUMBER,
        sop_instance_uid=uid,
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        is_final=False,
        is_verified=False,
        transfer_syntax_uid="1.2.840.10008.1.2.1",
    )
    report.SeriesDescription = "sonotrace, unverified"
    report.ManufacturerModelName = MANUFACTURER
    report.SoftwareVersions = __version__
    buffer = io.BytesIO()
    report.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _evidence(image: Dataset) -> Dataset:
    """Return the image's header with the attributes that a report repeats, empty where the file lacks them."""
    for keyword in (
        *("PatientID", "PatientName", "PatientBirthDate", "PatientSex"),
        *("StudyID", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName"),
    ):
        if keyword not in image:
            setattr(image, keyword, None)
    return image


def _content(image: Dataset, said: Sequence[Prediction], hashes: dict[str, str]) -> MeasurementReport:
    groups: list[MeasurementsAndQualitativeEvaluations | PlanarROIMeasurementsAndQualitativeEvaluations] = []
    for one in said:
        if one.probabilities:
            groups.append(_plane(image, one, hashes["planes"]))
        groups += [_structure(image, one, found, hashes["structures"]) for found in one.structures]
    device = DeviceObserverIdentifyingAttributes(
        uid=DEVICE, name=MANUFACTURER, manufacturer_name=MANUFACTURER, model_name=f"{MANUFACTURER} {__version__}"
    )
    return MeasurementReport(
        observation_context=ObservationContext(
            observer_device_context=ObserverContext(codes.DCM.Device, device),
        ),
        procedure_reported=codes.SCT.ObstetricUSScan,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
        referenced_images=[image],
    )


def _plane(image: Dataset, one: Prediction, sha256: str) -> MeasurementsAndQualitativeEvaluations:
    """Return the group of an image: its plane, and the probability of each plane in per cent."""
    probabilities = [
        Measurement(name=PLANES.get(plane, _own(plane)), value=round(100 * value, 2), unit=codes.UCUM.Percent)
        for plane, value in one.probabilities.items()
    ]
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(UID(), _named("plane", one)),
        algorithm_id=_algorithm("sonotrace planes", sha256),
        finding_type=PLANE_NAME,
        qualitative_evaluations=[QualitativeEvaluation(PLANE_NAME, _own_plane(one.plane))],
        measurements=probabilities,
        source_images=[SourceImageForMeasurementGroup(image.SOPClassUID, image.SOPInstanceUID, _frames(image, one))],
    )


def _structure(
    image: Dataset, one: Prediction, found: Found, sha256: str
) -> PlanarROIMeasurementsAndQualitativeEvaluations:
    """Return the group of one structure: a closed polyline around its box, and its confidence in per cent."""
    x0, y0, x1, y1 = found.box
    corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]])
    source = SourceImageForRegion(image.SOPClassUID, image.SOPInstanceUID, _frames(image, one))
    return PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(UID(), _named(found.structure, one)),
        referenced_region=ImageRegion("POLYLINE", corners, source),
        finding_type=STRUCTURES.get(found.structure, _own(found.structure)),
        algorithm_id=_algorithm("sonotrace structures", sha256),
        measurements=[Measurement(codes.DCM.Probability, round(100 * found.confidence, 2), codes.UCUM.Percent)],
    )


def _algorithm(name: str, sha256: str) -> AlgorithmIdentification:
    return AlgorithmIdentification(name, __version__, [f"model sha256 {sha256}"])


def _own_plane(plane: str | None) -> CodedConcept:
    return NONE if plane is None else PLANES.get(plane, _own(plane))


def _own(name: str) -> CodedConcept:
    """Return a code of ours for a class that this module does not know."""
    return CodedConcept(name.upper()[:16], SCHEME, name)


def _named(what: str, one: Prediction) -> str:
    return what if one.frame is None else f"{what}, frame {one.frame}"


def _frames(image: Dataset, one: Prediction) -> list[int] | None:
    """Return the frame looked at; None for a file of one frame, which has no frame numbers."""
    return [one.frame] if one.frame and int(image.get("NumberOfFrames") or 1) > 1 else None
