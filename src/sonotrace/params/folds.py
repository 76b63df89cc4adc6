"""The section `folds`: which data sets are trained on several times, each time without other patients."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sonotrace.params.section import Section, Seed


class Folds(Section):
    data_sets: list[str]
    box_data_sets: list[str]
    by: Literal["patient", "scanner", "site"]
    numbers: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=2, max_length=100)]
    seeds: Annotated[list[Seed], Field(min_length=1)]

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if self.numbers != list(range(1, len(self.numbers) + 1)):
            raise ValueError(f"numbers: count from 1, such as [1, 2, 3, 4, 5], not {self.numbers}")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds: each once, not {self.seeds}")
        for key in ("data_sets", "box_data_sets"):
            names = getattr(self, key)
            if len(set(names)) < len(names):
                raise ValueError(f"{key}: each once, not {names}")
        return self

    @property
    def all_data_sets(self) -> list[str]:
        """Return the data sets that have folds, with and without boxes."""
        return [*self.data_sets, *self.box_data_sets]

    @property
    def runs(self) -> list[tuple[int, int]]:
        """Return fold and seed of each training of a data set."""
        return [(number, seed) for number in self.numbers for seed in self.seeds]
