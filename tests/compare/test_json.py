"""The JSON of a comparison is an interface: its keys, their order and its figures stay as they are."""

import json
from pathlib import Path

import numpy as np
import pytest
from states import PARAMETERS, noisy, row, rows, tables
from typer.testing import CliRunner

from sonotrace.cli import app

GOLDEN = Path(__file__).with_name("expected.json")
CSP, FALX = ("CSP", 1, 1, 4, 4), ("MIDLINE_FALX", 0, 5, 9, 7)


def _heads(seed):
    random = np.random.default_rng(seed)

    def near(box):
        return (box[0], round(random.uniform(0.1, 0.9), 4), *((np.array(box[1:]) + random.normal(0, 0.3, 4)) * 10))

    return [row(number, boxes=[CSP, FALX], found=[near(CSP), near(FALX)]) for number in range(10)]


@pytest.fixture
def two_states(project):
    """Commit two states that differ in everything a comparison looks at."""
    planes = rows(40, site="north")
    after = [
        row(0, label="thorax", site="north"),
        row(1, side="train", site="north"),
        row(2, side="", site="south"),
        row(3, content="again", sharpness=999.0, site="north"),
        row(4, image="Patient00002_new", site="north"),
        row(5, patient="00099", site="north"),
        *noisy(planes, 1, 0.7)[6:-2],
        row(50, scanner="New", site="south", brightness=200.0),
    ]
    code = {"src/a.py": "1", "src/gone.py": "1", "requirements.lock": "numpy==1.0\nrich==1.0\n"}
    report = "reports/{}/snapshot.json"
    kept = {report.format("planes"): '{"source": "phantom"}', report.format("structures"): '{"source": "phantom"}'}
    project.state("a", tables("planes", planes), tables("structures", _heads(1)), files=code | kept, metrics=True)
    (project.top / "src/gone.py").unlink()
    changed = {"src/a.py": "2", "src/new.py": "a new thing\n", "requirements.lock": "numpy==2.0\nrich==1.0\n"}
    project.state(
        "b",
        tables("planes", after),
        tables("structures", _heads(2)),
        parameters=PARAMETERS | {"evaluate": {"structures": {"confidence": 0.3}, "planes": {"seed": 1}}},
        files=changed | {report.format("planes"): '{"source": "incoming"}'},
        metrics=True,
    )
    return project


def test_the_json_of_a_comparison_stays_the_same(two_states):
    done = CliRunner().invoke(app, ["compare", "a", "b", "--json", "--repo", str(two_states.top)])
    assert done.exit_code == 3
    printed = json.loads(done.stdout)
    for state in ("a", "b"):
        assert printed[state].pop("commit") == two_states.git("rev-parse", state)
    assert json.dumps(printed, indent=2) + "\n" == GOLDEN.read_text()
