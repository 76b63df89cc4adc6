"""The section `evaluate_scope`: which classifier has to say that images are none of its classes.

Values are described here, since the shipped params.yaml has no such data set that could do so.
"""

from typing import Annotated

from pydantic import Field

from sonotrace.params.section import Device, Section, Seed, Threads


class EvaluateScope(Section):
    model: Annotated[str, Field(description="the classifier to measure: evaluate.<trained_on>.model")]
    trained_on: Annotated[str, Field(description="the data set that it learned from; its test images are in scope")]
    generated: Annotated[int, Field(ge=0, description="images of noise to make, of each sort; 0: none")]
    bootstrap: Annotated[int, Field(ge=100, description="resamples")]
    seed: Annotated[Seed, Field(description="of the resampling and of generated images")]
    threads: Annotated[Threads, Field(description="CPU threads")]
    device: Annotated[Device, Field(description="auto | cpu | gpu")]
