"""The section `train_yolo`: how the structure detector is trained."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from sonotrace.params.section import Fraction
from sonotrace.params.training import Training


class TrainYolo(Training):
    weights: str
    weights_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None
    imgsz: Annotated[int, Field(ge=32, multiple_of=32)]
    rect: bool
    nominal_batch: Annotated[int, Field(ge=1)]
    mosaic: Fraction
    close_mosaic: Annotated[int, Field(ge=0)]
    fliplr: Fraction

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        if self.weights.endswith(".pt") and self.weights_sha256 is None:
            raise ValueError(f"weights_sha256: {self.weights} holds weights: give their sha256")
        return self
