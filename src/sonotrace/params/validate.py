"""The section `validate`: which images may be used."""

from typing import Literal

from sonotrace.params.section import Fraction, Section


class ValidateOne(Section):
    max_quarantined: Fraction
    conflicting_labels: Literal["stop", "quarantine"]
    unlike: Literal["flag", "quarantine"]

    @property
    def only_in_scope(self) -> bool:
        """Whether classes that the kind of data set calls out of scope are left out."""
        return True

    @property
    def recovers(self) -> bool:
        """Whether sources are recovered from copies that an annotation service turned."""
        return False


class ValidatePlanes(ValidateOne):
    classes: Literal["four", "six"]

    @property
    def only_in_scope(self) -> bool:
        """Whether planes beyond the standard four are left out."""
        return self.classes == "four"


class ValidateStructures(ValidateOne):
    copies: Literal["keep", "recover"]

    @property
    def recovers(self) -> bool:
        """Whether sources are recovered from copies that an annotation service turned."""
        return self.copies == "recover"
