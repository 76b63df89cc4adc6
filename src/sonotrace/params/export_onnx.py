"""The section `export_onnx`: which model `predict` uses, and when it is sure enough."""

from sonotrace.params.section import Fraction, Section, Share


class ExportPlanes(Section):
    model: str
    certain: Fraction


class ExportStructures(Section):
    model: str
    confidence: Share
