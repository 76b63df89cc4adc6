# The stages of dvc.yaml, and DVC's verdict on them as dates that Snakemake can compare.
import os
import time
from contextlib import suppress
from pathlib import Path

import networkx
from dvc.dependency import ParamsDependency
from dvc.lock import LockError
from dvc.repo import Repo
from snakemake.exceptions import WorkflowError

MARKS = Path(".sonotrace/outdated")

repo = Repo(".", _wait_for_lock=True)
stages = [stage for stage in repo.index.stages if stage.cmd]


def rule_name(stage):
    return stage.addressing.replace("@", "_")


def out_of_date():
    """Return the stages that DVC would run, and all that follow them.

    DVC compares contents, so comments and touched files cost nothing.
    """
    try:
        changes = repo.status()
    except LockError as error:
        others = dict.fromkeys(line.strip() for line in str(error).splitlines() if "(PID" in line)
        raise WorkflowError(f"another run is going on here; wait until it has ended: {', '.join(others)}") from None
    changed = {stage for stage in stages if stage.addressing in changes}
    return changed | {later for stage in changed for later in networkx.ancestors(repo.index.graph, stage)}


def renew_marks():
    """Leave one file per stage; the file of a stage that is out of date is newer than the stage's outputs.

    Its content is new too: Snakemake lets a newer input pass whose checksum it has seen.
    """
    MARKS.mkdir(parents=True, exist_ok=True)
    for stage in stages:
        mark = MARKS / rule_name(stage)
        if stage in outdated or not mark.exists():
            mark.unlink(missing_ok=True)  # another user of a shared checkout may have made it
            mark.write_text(str(time.time_ns()))


def date_back():
    """Date what is from the future to now: a clock that was set back leaves such files.

    Else outputs would be newer than the mark of their stage, and Snakemake refuses new outputs that are older than an
    input. DVC goes by contents, and reads the file once more.
    """
    now = time.time_ns()
    paths = {path for stage in stages for path in [*inputs(stage), *made_anew(stage)]}
    for path in [*paths, *(f"{path}/.snakemake_timestamp" for path in paths)]:
        for follow in (True, False):
            with suppress(OSError):  # it is not there, or another user's
                if os.stat(path, follow_symlinks=follow).st_mtime_ns > now:
                    os.utime(path, ns=(now, now), follow_symlinks=follow)


# Snakemake reads its files again in the process of each job, on a cluster on the job's machine. A job has been
# told what to run, so there nobody asks DVC and nothing is written.
outdated = out_of_date() if workflow.is_main_process else set()


def made_below(path):
    """Return the outputs of stages that lie in a folder; the folder is no stage's own."""
    outs = [out.def_path for stage in stages for out in stage.outs]
    return [out for out in outs if Path(path) in Path(out).parents]


def made_by_shards(stage):
    """Return what the shards of a stage make, if it has any.

    The stage takes that over from the item cache, so DVC knows of no order; it gains only where shards went before.
    """
    kind, _, data_set = stage.addressing.partition("@")
    shards = [one for one in stages if one.addressing.rpartition("-")[0] == f"{kind}_shard@{data_set}"]
    return [out.def_path for shard in shards for out in shard.outs]


def inputs(stage):
    given = [dep.def_path for dep in stage.deps if not isinstance(dep, ParamsDependency)]
    paths = [path for dep in given for path in made_below(dep) or [dep]] + made_by_shards(stage)
    paths.append(str(MARKS / rule_name(stage)))
    # `ancient` keeps Snakemake's own clock out of it. Stages that are out of date go without: what
    # follows a job that runs is run only through inputs that may be newer.
    return paths if stage in outdated else [ancient(path) for path in paths]


def resources_of(stage):
    """Return what `meta` says that a stage needs; no GPU where the stage's parameters have `device: cpu`."""
    needed = {name: value for name, value in stage.meta.items() if name != "threads"}
    for dep in stage.deps:
        if isinstance(dep, ParamsDependency):
            values = [part for part in dep.read_params().values() if isinstance(part, dict)]
            if any(part.get("device") == "cpu" for part in values):
                needed.pop("gpu", None)
    return needed


def made_anew(stage):
    """Return the outputs that a run makes from nothing.

    Snakemake deletes what it knows before a run, so it must not know the outputs that persist.
    """
    return [out.def_path for out in stage.outs if not out.persist]


if workflow.is_main_process:
    date_back()
    renew_marks()
