"""The section `split`: who is trained, validated and tested on."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from sonotrace.params.section import Fraction, Section


class Fractions(Section):
    train: Fraction
    val: Fraction
    test: Annotated[float, Field(gt=0, le=1)]

    @model_validator(mode="after")
    def _add_up(self) -> Self:
        total = self.train + self.val + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train: train, val and test must add up to 1, not {total:g}")
        return self


class SplitOne(Section):
    salt: str
    use_official: bool
    fractions: Fractions
    test_patients_may_move: bool
