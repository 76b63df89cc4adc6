"""Elementary functions with the same bits on every x86-64 CPU.

NumPy, glibc and OpenCV choose code by CPU, and each choice rounds `exp` or `sin` in its own way. Single
additions, multiplications, divisions and square roots are rounded the same everywhere (IEEE 754), so
here functions are built of these, one array operation at a time, or come from OpenCV's code for the
oldest CPU, which `one_cpu` selects. Matrix products are left out too: BLAS orders their sums by CPU.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[Any]
"""float32 unless stated otherwise; OpenCV's stubs return arrays of an unstated number type."""

_QUARTER = (1.5707963267341256, 6.077100506506192e-11)
"""A quarter turn in radians as a sum; the first part has 33 bits, so that small multiples of it are exact."""
_SINE = tuple((-1) ** n / math.factorial(2 * n + 1) for n in range(7, -1, -1))
_COSINE = tuple((-1) ** n / math.factorial(2 * n) for n in range(8, -1, -1))
"""Taylor series in the square of the angle, highest power first; exact to 1e-16 up to an eighth of a turn."""
_ARC_TANGENT = (
    0.0028662257,
    -0.0161657367,
    0.0429096138,
    -0.07528964,
    0.1065626393,
    -0.1420889944,
    0.1999355085,
    -0.3333314528,
    1.0,
)
"""Abramowitz and Stegun 4.4.49, in the square of the tangent: within 2e-8 radians up to an eighth of a turn."""


@contextmanager
def one_cpu() -> Iterator[None]:
    """Let OpenCV run the code that every x86-64 CPU has, in one thread; afterwards as before.

    Threads count because `cv2.stackBlur` rounds differently when threads share rows.
    """
    threads, optimized = cv2.getNumThreads(), cv2.useOptimized()
    cv2.setNumThreads(1)
    cv2.setUseOptimized(False)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
        cv2.setUseOptimized(optimized)


def exp(values: Floats) -> Floats:
    """Return e to the power of each value, in the type and shape of `values` (1 or 2 axes)."""
    return cv2.exp(values).reshape(values.shape)


def power(values: Floats, exponent: float) -> Floats:
    """Return each value, 0 or more, to a power, in the type and shape of `values` (1 or 2 axes)."""
    return cv2.pow(values, exponent).reshape(values.shape)


def sin_cos(angle: Floats | float) -> tuple[Floats, Floats]:
    """Return sine and cosine of angles in radians, float64 and within 1e-15 for some thousand turns."""
    turned = np.asarray(angle, np.float64)
    quarters = np.rint(turned * (2 / np.pi))
    rest = turned - quarters * _QUARTER[0] - quarters * _QUARTER[1]
    square = rest * rest
    sine, cosine = rest * _series(_SINE, square), _series(_COSINE, square)
    odd, back = quarters % 2 == 1, quarters % 4 >= 2
    sine, cosine = np.where(odd, cosine, sine), np.where(odd, -sine, cosine)
    return np.where(back, -sine, sine), np.where(back, -cosine, cosine)


def arctan2(y: Floats, x: Floats) -> Floats:
    """Return the angles, in radians, of points (x, y) against the x axis, within 5e-7; 0 for (0, 0)."""
    high, wide = np.abs(y), np.abs(x)
    ratio = np.minimum(high, wide) / np.maximum(np.maximum(high, wide), np.finfo(np.float32).tiny)
    angle = ratio * _series(_ARC_TANGENT, ratio * ratio)
    angle = np.where(high > wide, np.float32(np.pi / 2) - angle, angle)
    signed: Floats = np.copysign(np.where(x < 0, np.float32(np.pi) - angle, angle), y)
    return signed


def length(x: Floats, y: Floats) -> Floats:
    """Return the length of vectors."""
    squared: Floats = x * x + y * y
    return np.sqrt(squared)


def _series(coefficients: tuple[float, ...], variable: Floats) -> Floats:
    """Evaluate a polynomial, highest power first."""
    value: Floats = coefficients[0] * variable + coefficients[1]
    for coefficient in coefficients[2:]:
        value *= variable
        value += coefficient
    return value
