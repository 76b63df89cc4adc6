"""The section `train_cnn`: how the plane classifier is trained."""

from typing import Annotated, Literal

from pydantic import Field

from sonotrace.params.training import Training


class TrainCnn(Training):
    architecture: Literal["residual", "published"]
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    class_weights: bool
