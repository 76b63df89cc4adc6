"""Let the disk fill up below the outputs of every stage, and see that nothing is lost.

A clone with small parameters, folds of both kinds and shards runs once. Then, for each stage and each folder that
outputs of its lie in, a small disk takes the place of that folder: what other stages have there fits, and half of
what this stage writes. The stage must end in one line that names the full disk, and in a note with a command that
brings its last good outputs back. After that command both DVC and git see nothing changed. At last, with room again,
the stage must end in the same hashes. Needs a machine that lets its user mount a tmpfs.

    PYTHONPATH=src python benchmarks/full_disk.py [--stages STAGE ...] [--at FOLDER]

Prints a Markdown table, and exits with 1 if anything went otherwise.
"""

import argparse
import re
import shlex
import sys
import tempfile
from pathlib import Path

import yaml
from measure import REPOSITORY, print_table, tell
from soak import with_folds

sys.path.append(str(REPOSITORY / "tests"))
from checkouts import Checkout

PAGE = 4096
FULL = "No space left on device"
CLEAN = "Data and pipelines are up to date."
SMALL_DISK = """
set -e
mount -t tmpfs -o size={size} none {away}
cp -a {folder}/. {away}/
for output in {outputs}; do rm -rf {away}/"$output"; done
head -c {filler} /dev/zero > {away}/filler
mount --bind {away} {folder}
exec dvc repro --force --single-item {stage}
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--stages", nargs="*", metavar="STAGE")
    arguments.add_argument("--at", type=Path, metavar="FOLDER")
    options = arguments.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(dir=options.at) as folder:
        checkout = with_folds(Path(folder) / "start")
        checkout.set_params({"shards.prepare": "[planes]", "shards.augment": "[planes]"})
        checkout.run("dvc", "repro")
        checkout.commit("Reproduced")
        stages = yaml.safe_load((checkout.path / "dvc.lock").read_text())["stages"]
        tell(f"undisturbed: {len(stages)} stages")
        for stage in options.stages or sorted(stages):
            outputs = [out["path"] for out in stages[stage]["outs"]]
            for place in sorted({str(Path(path).parent) for path in outputs}):
                rows.append((stage, place, fill(checkout, stage, place, outputs)))
                tell(" ".join(rows[-1]))
            checkout.run("dvc", "repro", "--force", "--single-item", stage)
            now = yaml.safe_load((checkout.path / "dvc.lock").read_text())["stages"][stage]["outs"]
            rows.append((stage, "room again", "the same hashes" if now == stages[stage]["outs"] else "OTHER HASHES"))
            tell(" ".join(rows[-1]))
    print_table(["stage", "disk below", "ended"], rows)
    bad = [row for row in rows if row[2] not in ("nothing lost", "the same hashes")]
    print(f"{len(rows) - len(bad)} of {len(rows)} as they should be, {len(stages)} stages.")
    if bad:
        raise SystemExit(1)


def fill(checkout: Checkout, stage: str, place: str, outputs: list[str]) -> str:
    """Run a stage while half of its outputs below `place` fits, and return how that and the mending ended."""
    folder, away = checkout.path / place, checkout.path.parent / "small"
    away.mkdir(exist_ok=True)
    own = [str(Path(path).relative_to(place)) for path in outputs if Path(path).is_relative_to(place)]
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    pages = {path: -(-path.stat().st_size // PAGE) for path in files}
    written = sum(pages[path] for path in files if any(path.is_relative_to(folder / one) for one in own))
    size = max(sum(pages.values()), 1)  # all of the folder is copied there first; 0 would be no limit
    others = sum(pages.values()) - written
    script = SMALL_DISK.format(
        size=size * PAGE,
        away=shlex.quote(str(away)),
        folder=shlex.quote(str(folder)),
        outputs=shlex.join(own),
        filler=(size - others - written // 2) * PAGE,
        stage=stage,
    )
    try:
        printed = checkout.run("unshare", "--map-root-user", "--mount", "sh", "-c", script, fails=True, online=True)
    except AssertionError:
        return "it did not fail"
    errors = re.findall(r"^error: (.*)$", printed, re.MULTILINE)
    if len(errors) != 1 or FULL not in errors[0] or "unexpected" in errors[0]:
        return f"its errors: {errors or printed[-1000:]}"
    commands = re.findall(r"^note: to restore the outputs of the last good run of \S+: (.*)$", printed, re.MULTILINE)
    if len(commands) != 1:
        return f"its commands: {commands}"
    checkout.run("sh", "-c", commands[0])
    status, git = checkout.run("dvc", "status").strip(), checkout.run("git", "status", "--short")
    return "nothing lost" if status == CLEAN and not git else f"{status} {git}"


if __name__ == "__main__":
    main()
