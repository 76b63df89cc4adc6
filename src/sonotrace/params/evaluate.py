"""The section `evaluate`: which model is measured on a data set, and how."""

from typing import Annotated

from pydantic import Field

from sonotrace.params.section import Device, Section, Seed, Share, Threads


class EvaluateOne(Section):
    model: str
    trained_on: str
    bootstrap: Annotated[int, Field(ge=100)]
    seed: Seed
    threads: Threads
    device: Device


class EvaluateStructures(EvaluateOne):
    confidence: Share
