"""Write ultrasound images as DICOM files, in the forms that scanners store them in."""

import io
import warnings

import numpy as np
from PIL import Image
from pydicom import Dataset, config, dcmread, dcmwrite
from pydicom.data import get_testdata_file
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

MULTIFRAME = "1.2.840.10008.5.1.4.1.1.3.1"


def region(left, top, right, bottom, space=1, shows=1, mm=(0.5, 0.25), units=3):
    """Describe the pixels from (left, top) up to, not including, (right, bottom); 2D tissue unless said otherwise."""
    item = Dataset()
    item.RegionSpatialFormat, item.RegionDataType, item.RegionFlags = space, shows, 0
    item.RegionLocationMinX0, item.RegionLocationMinY0 = left, top
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = right - 1, bottom - 1
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = units
    item.PhysicalDeltaX, item.PhysicalDeltaY = (size / 10 for size in mm)
    return item


def dicom(pixels, photometric="MONOCHROME2", regions=None, bits=None, syntax=ExplicitVRLittleEndian, **attributes):
    """Return the bytes of a DICOM file.

    `pixels` has the shape (height, width), with 3 channels last for colour and frames first for a
    clip, and may also be bytes as they are to stand in the file, with `Rows` and `Columns` in
    `attributes`. There, None takes an attribute out. Without `regions` there is one, of all pixels.
    """
    dataset = _named()
    dataset.PhotometricInterpretation = photometric
    colour = photometric not in {"MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"}
    dataset.SamplesPerPixel = 3 if colour else 1
    if colour:
        dataset.PlanarConfiguration = 0
    compress = isinstance(pixels, np.ndarray) and syntax.is_encapsulated
    if isinstance(pixels, np.ndarray):
        clip = pixels.ndim > (3 if colour else 2)
        dataset.Rows, dataset.Columns = pixels.shape[1:3] if clip else pixels.shape[:2]
        if clip:
            dataset.NumberOfFrames = len(pixels)
        dataset.BitsAllocated = pixels.dtype.itemsize * 8
        dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
        order = ">" if syntax == ExplicitVRBigEndian else "<"
        pixels = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    else:
        dataset.Rows, dataset.Columns = attributes["Rows"], attributes["Columns"]
        dataset.BitsAllocated, dataset.PixelRepresentation = 8, 0
    dataset.BitsStored = bits or dataset.BitsAllocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.SequenceOfUltrasoundRegions = (
        [region(0, 0, dataset.Columns, dataset.Rows)] if regions is None else list(regions)
    )
    dataset.PixelData = pixels + b"\0" * (len(pixels) % 2)
    dataset["PixelData"].VR = "OW" if dataset.BitsAllocated > 8 else "OB"
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if compress else syntax
    if compress:
        dataset.compress(syntax, generate_instance_uid=False)
    elif syntax.is_encapsulated:
        dataset["PixelData"].is_undefined_length = True
    with config.disable_value_validation():
        for name, value in attributes.items():
            if value is None:
                del dataset[name]
            else:
                setattr(dataset, name, value)
    return written(dataset)


def jpeg(pixels, photometric="MONOCHROME2", **attributes):
    """Return a DICOM file with JPEG frames, as `dicom` does; colour is YBR_FULL_422, as most scanners store it."""
    colour = photometric != "MONOCHROME2"
    frames = pixels if pixels.ndim > (3 if colour else 2) else [pixels]
    streams = []
    for frame in frames:
        buffer = io.BytesIO()
        Image.fromarray(frame).save(buffer, "JPEG", quality=95)
        streams.append(buffer.getvalue())
    height, width = frames[0].shape[:2]
    return compressed(streams, JPEGBaseline8Bit, photometric, Rows=height, Columns=width, **attributes)


def compressed(streams, syntax, photometric="MONOCHROME2", **attributes):
    """Return a DICOM file around frames that are compressed already."""
    if len(streams) > 1:
        attributes["NumberOfFrames"] = len(streams)
    return dicom(encapsulate(streams), photometric, syntax=syntax, **attributes)


def as_ultrasound(name, **attributes):
    """Return one of the files that pydicom ships for tests, with what makes it a patient's ultrasound image."""
    dataset = dcmread(get_testdata_file(name, download=False))
    dataset.Modality, dataset.PatientID = "US", "P-1"
    dataset.SequenceOfUltrasoundRegions = [region(0, 0, dataset.Columns, dataset.Rows)]
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return written(dataset)


def written(dataset):
    """Return a data set as the bytes of a file, however wrong its values are."""
    buffer = io.BytesIO()
    with config.disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _named():
    """Return a data set that says only whose it is, and what."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = MULTIFRAME, "1.2.826.0.1.3680043.8.498.1"
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.Modality, dataset.PatientID = "US", "P-1"
    dataset.Manufacturer, dataset.ManufacturerModelName = "GE Healthcare", "Voluson E8"
    return dataset
