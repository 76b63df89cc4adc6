"""The section `export_onnx`: which model `predict` uses, and when it is sure enough."""

from typing import Literal

from sonotrace.params.section import Fraction, Section, Share


class ExportPlanes(Section):
    model: str
    certain: Fraction
    bits: Literal[32, 8]


class ExportStructures(Section):
    model: str
    confidence: Share
