# Snakemake's view of the graph in dvc.yaml: one rule a stage, run by DVC, fresh when DVC says so.
#
# Needs: dvc.yaml, dvc.lock, params.yaml. Leaves: what the stages leave, and a log a stage in logs/.
# Stage names such as pull@planes become rule names such as pull_planes. `snakemake --lint` asks for a
# conda environment or container for each rule: there is none, since the hash-pinned lock is the
# environment, and the same for both engines.
import sys
import time
from pathlib import Path

import networkx
from dvc.dependency import ParamsDependency
from dvc.repo import Repo

# Stages run `python` and `dvc` of the environment that Snakemake runs in, activated or not.
shell.prefix(f'set -euo pipefail; export PATH="{Path(sys.executable).parent}:$PATH"; ')

repo = Repo(".", _wait_for_lock=True)
stages = [stage for stage in repo.index.stages if stage.cmd]

# DVC alone says what is out of date: it looks at contents, so comments and touched files cost
# nothing. Stages that follow one that is out of date may run too.
changes = repo.status()
outdated = {stage for stage in stages if stage.addressing in changes}
outdated |= {later for stage in outdated for later in networkx.ancestors(repo.index.graph, stage)}


def rule_name(stage):
    return stage.addressing.replace("@", "_")


def verdict(stage):
    """A file that is newer than the outputs of an outdated stage, so that Snakemake runs it.

    Its content is new too: Snakemake lets a newer input pass whose checksum it has seen.
    """
    mark = Path(".sonotrace/outdated", rule_name(stage))
    mark.parent.mkdir(parents=True, exist_ok=True)
    if stage in outdated or not mark.exists():
        mark.write_text(str(time.time_ns()))
    return str(mark)


def inputs(stage):
    paths = [dep.def_path for dep in stage.deps if not isinstance(dep, ParamsDependency)]
    paths.append(verdict(stage))
    # `ancient` keeps Snakemake's own clock out of it. Stages that are outdated go without: what
    # follows a job that runs is run only through inputs that may be newer.
    return paths if stage in outdated else [ancient(path) for path in paths]


def made_anew(stage):
    """The outputs that a run makes from nothing; Snakemake deletes those, and must not know the ones that persist."""
    return [out.def_path for out in stage.outs if not out.persist]


def outputs(stage):
    return [path if Path(path).suffix else directory(path) for path in made_anew(stage)]


rule all:
    input:
        [path for stage in stages for path in made_anew(stage)],
    default_target: True


for stage in stages:

    # What the shell command needs goes through `params`: it is read when the loop is long over.
    rule:
        name:
            rule_name(stage)
        input:
            inputs(stage),
        output:
            outputs(stage),
        log:
            f"logs/{rule_name(stage)}.log",
        params:
            stage=stage.addressing,
        threads: stage.meta["threads"]
        resources:
            **{name: value for name, value in stage.meta.items() if name != "threads"},
        shell:
            "dvc --wait-for-lock repro --single-item {params.stage} 2>&1 | tee {log}"
