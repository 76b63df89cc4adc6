"""This repository's own history: models of commits before stages and folders were renamed are still told."""

from pathlib import Path

import pytest

from sonotrace.errors import SonotraceError
from sonotrace.lineage.evidence import Evidence
from sonotrace.lineage.form import plain
from sonotrace.lineage.origins import of_md5
from sonotrace.lineage.text import file_lines
from sonotrace.records.lock import data_sets, models, training

TOP = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def evidence():
    """Return what can be seen of this repository, whose history has to be whole."""
    try:
        found = Evidence(TOP)
    except SonotraceError:
        pytest.skip("not a git repository")
    if found.history.is_shallow or len(found.history.locks) < 3:
        pytest.skip("this clone has not the whole history")
    return found


def test_every_model_of_every_commit_leads_back_to_its_commits_its_data_and_its_counts(evidence):
    seen = set()
    for lock in evidence.history.locks:
        steps = evidence.steps(lock)
        assert data_sets(steps)[:2] == ["planes", "structures"]
        for data_set in data_sets(steps):
            step = training(steps, data_set)
            if step is None:  # a lock committed before its training ran
                continue
            (model,) = models(step)
            if model.md5 in seen:
                continue
            seen.add(model.md5)
            answer = of_md5("found.bin", model.md5, evidence)
            held = {commit.id for origin in answer.origins for commit in origin.commits}
            assert {commit.id for commit in lock.commits} <= held
            for origin in answer.origins:
                assert origin.stage in {step.stage.partition("@")[0], f"{step.stage.partition('@')[0]}@{data_set}"}
                assert f"pull@{data_set}" in {step.stage for step in origin.steps}
                counts = origin.splits[data_set]
                assert counts["train"]["patients"] > counts["test"]["patients"] > 0
                # The first locks are of before pull wrote a report of its snapshot.
                assert origin.snapshots.get(data_set, {"source": "phantom"})["source"] == "phantom"
            lines = list(file_lines(answer))
            assert lines[0].startswith(f"found.bin is {model.path}, output of train_")
            assert f"trained on {counts['train']['images']} images of" in lines[2]
            assert plain(answer)["origins"][0]["steps"][0]["stage"].startswith("train_")
    assert len(seen) > 10


def test_an_md5_that_no_commit_has_is_unknown(evidence):
    assert of_md5("found.bin", "0" * 32, evidence).origins == []
