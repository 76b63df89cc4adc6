"""The section `prepare`: the size that all images of a data set get."""

from typing import Annotated, Literal

from pydantic import Field

from sonotrace.params.section import Section

Pixels = Annotated[int, Field(ge=32, le=4096)]


class PrepareOne(Section):
    width: Pixels
    height: Pixels
    aspect: Literal["stretch", "letterbox"]
    mask_overlays: bool
