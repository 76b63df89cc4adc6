"""What the tutorial tells people to type works."""

import re
from pathlib import Path

from checkouts import Checkout, stages_run

TUTORIAL = Path(__file__).parents[2] / "docs/tutorial.md"


def test_the_tutorial_works_as_it_stands(by_dvc: Checkout) -> None:
    by_dvc.set_params({"evaluate.planes.bootstrap": 101})  # a run that is not committed yet, as a reader has
    blocks = re.findall(r"```sh\n(.*?)```", TUTORIAL.read_text(), re.DOTALL)
    printed = [by_dvc.run("bash", "-e", "-c", block) for block in blocks]
    assert stages_run(printed[0]) == ["evaluate@planes", "gather@planes", "report"]
    assert "95 %" in printed[1]
    assert {path.name for path in (by_dvc.path / "sorted").iterdir()} & {
        "brain",
        "femur",
        "abdomen",
        "thorax",
        "none",
        "uncertain",
    }
    assert list((by_dvc.path / "drawn").glob("*.png"))
    assert "train_cnn@planes" in printed[3]
    assert "learning_rate" in printed[3]
    assert by_dvc.run("dvc", "status").strip() == "Data and pipelines are up to date."
    assert "pull@planes" in printed[5]
