"""Images that show nothing: what a classifier of ultrasound should refuse first."""

from collections.abc import Callable, Iterator

import numpy as np

from sonotrace.images.grey import Grey


def generated(count: int, width: int, height: int, seed: int) -> Iterator[tuple[str, Grey]]:
    """Yield `count` images of each of SORTS as pairs of sort and image, shape (height, width)."""
    for number, (sort, make) in enumerate(SORTS.items()):
        for at in range(count):
            yield sort, make(np.random.default_rng((seed, number, at)), width, height)


def _uniform(random: np.random.Generator, width: int, height: int) -> Grey:
    """Every grey level is as likely, and each pixel is on its own."""
    return random.integers(0, 256, (height, width), dtype=np.uint8)


def _speckle(random: np.random.Generator, width: int, height: int) -> Grey:
    """Grey levels of fully developed speckle, which are Rayleigh distributed (Burckhardt 1978)."""
    return np.asarray(random.rayleigh(random.uniform(20, 70), (height, width)).clip(0, 255), np.uint8)


def _gradient(random: np.random.Generator, width: int, height: int) -> Grey:
    """A ramp from one grey level to another, in any direction."""
    turn, (first, last) = random.uniform(0, 2 * np.pi), random.uniform(0, 255, 2)
    x, y = np.linspace(-1, 1, width), np.linspace(-1, 1, height)
    ramp = x[None, :] * np.cos(turn) + y[:, None] * np.sin(turn)
    return np.asarray(first + (last - first) * (ramp - ramp.min()) / np.ptp(ramp), np.uint8)


SORTS: dict[str, Callable[[np.random.Generator, int, int], Grey]] = {
    "uniform noise": _uniform,
    "speckle": _speckle,
    "gradient": _gradient,
}
