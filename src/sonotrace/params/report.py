"""The section `report`: what the page of results shows."""

from typing import Literal

from sonotrace.params.section import Section


class Report(Section):
    patients: Literal["hidden", "shown"]
