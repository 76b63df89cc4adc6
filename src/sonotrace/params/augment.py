"""The section `augment`: how copies of training images are changed."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sonotrace.params.section import Fraction, Section, Seed


class AugmentOne(Section):
    copies: Annotated[int, Field(ge=0, le=100)]
    policy: Literal["limits", "trivial"]
    seed: Seed
    rotation: Annotated[list[Annotated[float, Field(ge=0, le=180)]], Field(min_length=2, max_length=2)]
    shift: Annotated[float, Field(ge=0, le=0.5)]
    zoom: Annotated[float, Field(ge=0, le=0.5)]
    shear: Annotated[float, Field(ge=0, le=0.5)]
    flip: Fraction
    stretch: Annotated[float, Field(ge=0, lt=1)]
    blur: Annotated[float, Field(ge=0, le=20)]
    brightness: Fraction
    contrast: Annotated[float, Field(ge=0, lt=1)]
    gamma: Annotated[float, Field(ge=0, le=4)]
    speckle: Fraction
    blank: Fraction
    border: Annotated[float, Field(ge=0, le=0.5)]
    share: Fraction
    min_visible: Fraction

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.rotation[0] > self.rotation[1]:
            raise ValueError(f"rotation: least angle first, not {self.rotation}")
        return self
