"""Load `sonotrace serve`: `python benchmarks/serve.py IMAGE ... [--models DIR] [--clients 50] [--seconds 60]`.

Starts the service, lets as many clients ask one image after the other, and one request in ten be malformed (cut short,
no image at all, too large, or given up by the client before it is whole). Prints how many were answered, with which
status, how long answers took, and the memory of the service before and after. Every answer is checked to be what the
first answer for that image was.
"""

import argparse
import asyncio
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
from measure import print_table, tell

PAGE = os.sysconf("SC_PAGE_SIZE")


def memory_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 1e6


class Load:
    def __init__(self, address: str, images: list[bytes]) -> None:
        self.address, self.images = address, images
        self.expected: dict[int, object] = {}
        self.took: list[float] = []
        self.statuses: Counter[str] = Counter()
        self.wrong = 0

    async def client(self, number: int, end: float) -> None:
        draw = random.Random(number)
        async with httpx.AsyncClient(base_url=self.address, timeout=120) as client:
            while time.perf_counter() < end:
                at = draw.randrange(len(self.images))
                if draw.random() < 0.1:
                    await self.malformed(client, draw, self.images[at])
                else:
                    await self.asked(client, at)

    async def asked(self, client: httpx.AsyncClient, at: int) -> None:
        start = time.perf_counter()
        answer = await client.post("/predict", content=self.images[at])
        self.statuses[f"image: {answer.status_code}"] += 1
        if answer.status_code == 200:
            self.took.append(time.perf_counter() - start)
            self.wrong += self.expected.setdefault(at, answer.json()) != answer.json()

    async def malformed(self, client: httpx.AsyncClient, draw: random.Random, image: bytes) -> None:
        kind = draw.choice(["cut short", "no image", "too large", "given up"])
        if kind == "given up":

            async def some() -> AsyncIterator[bytes]:
                yield image[: len(image) // 2]
                raise ConnectionError

            try:
                await client.post("/predict", content=some())
            except (ConnectionError, httpx.HTTPError):
                self.statuses["given up"] += 1
            return
        content = {"cut short": image[: len(image) // 3], "no image": b"\0" * 5000, "too large": bytes(5_000_001)}[kind]
        try:
            answer = await client.post("/predict", content=content)
            self.statuses[f"{kind}: {answer.status_code}"] += 1
        except httpx.HTTPError:  # the service has answered and closed before all had been sent
            self.statuses[f"{kind}: closed"] += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="+", type=Path)
    parser.add_argument("--models", default="models")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    given = parser.parse_args()
    start = [
        sys.executable,
        "-m",
        "sonotrace",
        "serve",
        "--port",
        "0",
        "--max-megabytes",
        "5",
        "--models",
        given.models,
    ]
    with subprocess.Popen([*start, "--allow-unknown"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        said = next(line for line in server.stdout if line.startswith("serve: "))
        load = Load(re.findall(r"http://[^;]+", said)[0], [path.read_bytes() for path in given.images])
        time.sleep(2)

        async def run() -> None:
            for at in range(len(load.images)):
                async with httpx.AsyncClient(base_url=load.address, timeout=120) as client:
                    await load.asked(client, at)
            load.took.clear()
            before = memory_mb(server.pid)
            marks = []
            end = time.perf_counter() + given.seconds
            clients = [asyncio.create_task(load.client(number, end)) for number in range(given.clients)]
            for share in (0.25, 0.5, 0.75, 1):
                await asyncio.sleep(max(0, end - given.seconds * (1 - share) - time.perf_counter()))
                marks.append(memory_mb(server.pid))
            await asyncio.gather(*clients)
            tell(f"memory, MB: {before:.0f} before, then {', '.join(f'{mark:.0f}' for mark in marks)}")

        asyncio.run(run())
        server.terminate()
    took = sorted(load.took)
    print_table(["outcome", "requests"], sorted(load.statuses.items()))
    shares = [("median", 0.5), ("p95", 0.95), ("p99", 0.99), ("longest", 1.0)]
    rows = [[name, f"{took[min(len(took) - 1, int(share * len(took)))]:.2f}"] for name, share in shares]
    print_table(
        ["answer", "s"], [*rows, ["images/s", f"{len(took) / given.seconds:.1f}"], ["other answers", load.wrong]]
    )


if __name__ == "__main__":
    main()
