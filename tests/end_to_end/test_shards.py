"""Shards are stages: Snakemake runs them first; both engines leave what is left without shards."""

import shutil
from pathlib import Path
from typing import Any

import yaml
from checkouts import Checkout, stages_run

UP_TO = "augment@planes"


def _ask_for_shards(checkout: Checkout, stages: tuple[str, ...], count: int) -> str:
    """Ask for shards of the planes, which find nothing made before; return params.yaml as it was."""
    shutil.rmtree(checkout.path / ".dvc/cache/sonotrace")
    path = checkout.path / "params.yaml"
    shipped = path.read_text()
    checkout.set_params({f"shards.{stage}": "[planes]" for stage in stages})
    path.write_text(path.read_text().replace("numbers: [1, 2] ", f"numbers: {list(range(1, count + 1))} "))
    return shipped


def _outputs(checkout: Checkout) -> dict[str, Any]:
    """Return, as the lock has them, the outputs of the stages that are the same with and without shards."""
    stages = yaml.safe_load((checkout.path / "dvc.lock").read_text())["stages"]
    return {name: stage["outs"] for name, stage in stages.items() if "_shard@" not in name}


def test_snakemake_runs_shards_first_and_dvc_knows_what_it_ran(finished: Checkout, tmp_path: Path) -> None:
    checkout = finished.copy(tmp_path)
    _ask_for_shards(checkout, ("prepare",), 2)
    checkout.run("snakemake", "--cores", "2", "prepare_planes")
    logs = checkout.path / "logs"
    assert "\nprepare: 0 made, " in (logs / "prepare_planes.log").read_text()
    assert all(" made, 0 reused" in (logs / f"prepare_shard_planes-{shard}.log").read_text() for shard in (1, 2))
    assert checkout.run("dvc", "status", UP_TO).strip() == "Data and pipelines are up to date."
    assert _outputs(checkout) == _outputs(finished)


def test_dvc_takes_over_what_shards_made_and_clears_them_in_the_end(finished: Checkout, tmp_path: Path) -> None:
    checkout = finished.copy(tmp_path)
    shipped = _ask_for_shards(checkout, ("prepare", "augment"), 1)
    shards = ["augment_shard@planes-1", "prepare_shard@planes-1"]
    assert sorted(stages_run(checkout.run("dvc", "repro", *shards))) == shards
    printed = checkout.run("dvc", "repro", UP_TO)
    assert stages_run(printed) == ["prepare@planes", UP_TO]
    for stage in ("prepare", "augment"):
        assert f"\n{stage}: 0 made, " in printed
    assert _outputs(checkout) == _outputs(finished)
    (checkout.path / "params.yaml").write_text(shipped)
    assert stages_run(checkout.run("dvc", "repro", UP_TO)) == [], "DVC's run cache has the results from before"
    checkout.run("dvc", "repro", "--force", "--single-item", "prepare@planes", UP_TO)
    assert not list((checkout.path / "data/planes").rglob("*shard*"))
    assert _outputs(checkout) == _outputs(finished)
