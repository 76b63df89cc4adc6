"""The section `train_cnn`: how the plane classifier is trained."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sonotrace.params.training import Training

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class TrainCnn(Training):
    architecture: Literal["residual", "published", "efficientnet_lite0", "efficientnet_lite2"]
    weights: str
    weights_sha256: Sha256 | None
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    class_weights: bool

    @model_validator(mode="after")
    def _weights(self) -> Self:
        if self.weights == "imagenet" and not self.architecture.startswith("efficientnet"):
            raise ValueError(
                f"weights: there are none from imagenet for {self.architecture}; use none, or efficientnet_lite0"
            )
        if self.weights not in ("none", "imagenet") and not self.weights.endswith(".keras"):
            raise ValueError(f"weights: use none, imagenet or a .keras file, not {self.weights!r}")
        if self.weights.endswith(".keras") and self.weights_sha256 is None:
            raise ValueError(f"weights_sha256: state the sha256 of {self.weights} (`sha256sum {self.weights}`)")
        return self
