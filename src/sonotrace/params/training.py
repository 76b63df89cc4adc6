"""What both sections of trainings hold."""

from typing import Annotated

from pydantic import Field

from sonotrace.params.section import Device, Section, Seed, Threads


class Training(Section):
    epochs: Annotated[int, Field(ge=1)]
    batch: Annotated[int, Field(ge=1)]
    seed: Seed
    threads: Threads
    device: Device
    mixed_precision: bool
