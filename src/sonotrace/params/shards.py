"""The section `shards`: which data sets have their images prepared and copied by several jobs at the same time."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from sonotrace.params.section import Section


class Shards(Section):
    prepare: list[str]
    augment: list[str]
    numbers: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1, max_length=1000)]

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if self.numbers != list(range(1, len(self.numbers) + 1)):
            raise ValueError(f"numbers: count from 1, such as [1, 2, 3, 4], not {self.numbers}")
        for key in ("prepare", "augment"):
            names = getattr(self, key)
            if len(set(names)) < len(names):
                raise ValueError(f"{key}: each once, not {names}")
        return self

    def of(self, stage: str, data_set: str) -> list[int]:
        """Return the shards of `prepare` or `augment` that a data set has; none where it is not listed."""
        return self.numbers if data_set in getattr(self, stage) else []
