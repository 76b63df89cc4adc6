"""How long a training takes alone and beside another one, with idle threads that sleep and with threads that spin.

Both trainings run on random images, in processes of their own, on the same cores. All figures of a run
come from the same minutes, as ratios to the training alone whose threads sleep; the order of the
conditions changes from round to round. It also says whether the models' bytes are equal.

    python benchmarks/shared_machine.py                          # both frameworks, 3 rounds
    python benchmarks/shared_machine.py --rounds 1 --steps 4     # only to try it
"""

import argparse
import os
import statistics
import subprocess
import sys
from collections import defaultdict

SLEEP = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
TENSORFLOW = """
if idle == "sleep":
    environment.let_tensorflow_sleep()
import keras, numpy as np
keras.utils.set_random_seed(0)
import tensorflow as tf
tf.config.experimental.enable_op_determinism()
from sonotrace.models.cnn import compiled, net
random = np.random.default_rng(0)
images = random.integers(0, 255, (32, 128, 128, 1)).astype(np.float32)
planes = np.eye(4, dtype=np.float32)[random.integers(0, 4, 32)]
model = compiled(net("residual", 128, 128, 4), 0.001, steps)
step = lambda: model.train_on_batch(images, planes)
weights = lambda: b"".join(each.tobytes() for each in model.get_weights())
"""
TORCH = """
from pathlib import Path
from tempfile import TemporaryDirectory
import torch
torch.manual_seed(0)
torch.use_deterministic_algorithms(True)
torch.set_num_threads(environment.threads())
from sonotrace.models.definitions import net_definition
with TemporaryDirectory() as folder:
    definition = net_definition("train_yolo.structures", "yolov8n.yaml", None, Path(folder))
    model = environment.quiet_ultralytics()(definition, task="detect").model.train()
images = torch.rand(8, 3, 256, 256)
optimizer = torch.optim.SGD(model.parameters(), 0.001)
def step():
    optimizer.zero_grad()
    found = model(images)
    maps = found.values() if isinstance(found, dict) else found
    sum(each.square().mean() for each in maps if isinstance(each, torch.Tensor)).backward()
    optimizer.step()
weights = lambda: b"".join(each.detach().numpy().tobytes() for each in model.parameters())
"""
BODIES = {"tensorflow": TENSORFLOW, "torch": TORCH}
CHILD = """
import hashlib, os, sys, time
from sonotrace.running import environment
body, idle, steps, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
environment.isolate()
environment.use_threads(threads)
if idle == "spin":
    for name in sys.argv[5:]:
        del os.environ[name]
exec(body)
step()
print("ready", flush=True)
sys.stdin.readline()
begun = time.perf_counter()
for _ in range(steps):
    step()
print(time.perf_counter() - begun, hashlib.sha256(weights()).hexdigest(), flush=True)
"""


def timed(kind: str, idle: str, together: int, steps: int, threads: int) -> tuple[float, set[str]]:
    """Return the mean time of `together` trainings begun at once, s, and the hashes of their weights."""
    variables = {name: value for name, value in os.environ.items() if name not in SLEEP}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, BODIES[kind], idle, str(steps), str(threads), *SLEEP],
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(together)
    ]
    for process in running:
        assert process.stdout
        if "ready\n" not in iter(process.stdout.readline, ""):
            raise SystemExit(f"error: {kind}: a training ended before it began")
    for process in running:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate()[0].split() for process in running]
    return statistics.fmean(float(seconds) for seconds, _ in answers), {weights for _, weights in answers}


def main() -> None:
    parser = argparse.ArgumentParser(description="Trainings that share their cores.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20, help="batches per training")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--kinds", nargs="*", default=["tensorflow", "torch"])
    given = parser.parse_args()
    conditions = [(idle, together) for together in (1, 2) for idle in ("sleep", "spin")]
    for kind in given.kinds:
        took: dict[tuple[str, int], list[float]] = defaultdict(list)
        hashes: set[str] = set()
        for number in range(given.rounds):
            for idle, together in conditions[:: 1 if number % 2 == 0 else -1]:
                seconds, weights = timed(kind, idle, together, given.steps, given.threads)
                took[idle, together].append(seconds)
                hashes |= weights
        base = statistics.median(took["sleep", 1])
        print(f"{kind}: {given.steps} steps, {given.threads} threads, median of {given.rounds} rounds")
        for condition in conditions:
            times = took[condition]
            spread = f"{min(times) / base:.2f} to {max(times) / base:.2f}"
            print(f"  {condition[1]} at once, {condition[0]:5}: {statistics.median(times) / base:5.2f} ({spread})")
        print(f"  one step alone takes {base / given.steps:.3f} s; weights {'equal' if len(hashes) == 1 else 'DIFFER'}")


if __name__ == "__main__":
    main()
