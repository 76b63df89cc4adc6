"""Each kind of data set has a reader of labels, with one interface."""

import inspect

import pytest

from sonotrace import labels
from sonotrace.errors import SonotraceError
from sonotrace.kinds import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_reader(kind):
    assert len(inspect.signature(labels.of(kind).read_snapshot).parameters) == 3


def test_messages_name_the_parameter_of_the_data_set_at_hand(tmp_path):
    with pytest.raises(SonotraceError, match=r"pull\.leipzig\.incoming\.table must name one of"):
        labels.of("planes").read_snapshot(tmp_path, {"table": "t.csv"}, "leipzig")
