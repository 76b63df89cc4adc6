"""Elementary functions are accurate, and the phantom uses no others."""

import ast
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.sources import phantom
from sonotrace.sources.phantom.elementary import arctan2, exp, one_cpu, power, sin_cos

BY_CPU = {
    *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "arcsin", "arccos", "arctan"),
    *("arctan2", "sinh", "cosh", "tanh", "power", "float_power", "hypot", "dot", "matmul", "einsum", "inner", "linalg"),
    *("asin", "acos", "atan", "atan2", "pow", "lognormal", "getRotationMatrix2D", "cartToPolar", "polarToCart"),
}
"""Functions of NumPy, `math` and OpenCV whose rounding depends on the CPU, or may."""


@given(st.floats(-20_000, 20_000))
def test_sine_and_cosine_are_right_to_the_last_digits(angle):
    sine, cosine = sin_cos(angle)
    assert float(sine) == pytest.approx(np.sin(angle), abs=5e-16)
    assert float(cosine) == pytest.approx(np.cos(angle), abs=5e-16)


@given(st.floats(-2, 2, width=32), st.floats(-2, 2, width=32))
def test_the_angle_of_a_point_is_right_to_a_millionth(y, x):
    found = arctan2(np.array([y], np.float32), np.array([x], np.float32))
    assert found.dtype == np.float32
    if max(abs(x), abs(y)) > 1e-30:
        assert float(found[0]) == pytest.approx(np.arctan2(y, x), abs=5e-7)


@pytest.mark.parametrize(("kind", "error"), [(np.float32, 2e-6), (np.float64, 1e-12)])
def test_powers_keep_type_and_shape(kind, error):
    values = np.linspace(0.01, 5, 60, dtype=kind)
    for shaped in (values, values.reshape(6, 10)):
        for found, right in ((exp(shaped), np.exp(shaped)), (power(shaped, 0.6), shaped**0.6)):
            assert (found.dtype, found.shape) == (kind, shaped.shape)
            assert found == pytest.approx(right, rel=error)


def test_opencv_is_left_as_it_was():
    threads, optimized = cv2.getNumThreads(), cv2.useOptimized()
    try:
        for before in ((3, True), (1, False)):
            cv2.setNumThreads(before[0])
            cv2.setUseOptimized(before[1])
            with one_cpu():
                assert (cv2.getNumThreads(), cv2.useOptimized()) == (1, False)
            assert (cv2.getNumThreads(), cv2.useOptimized()) == before
    finally:
        cv2.setNumThreads(threads)
        cv2.setUseOptimized(optimized)


@pytest.mark.parametrize("path", sorted(Path(phantom.__file__).parent.glob("*.py")), ids=lambda path: path.stem)
def test_the_phantom_calls_nothing_that_rounds_by_cpu(path):
    allowed = {("cv2", "log")} | ({("cv2", "exp"), ("cv2", "pow")} if path.stem == "elementary" else set())
    allowed |= {("cv2", "pow")} if path.stem == "imaging" else set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and node.attr in BY_CPU:
            assert (getattr(node.value, "id", ""), node.attr) in allowed, f"{path.name}:{node.lineno}: {node.attr}"
        if isinstance(node, ast.BinOp):
            assert not isinstance(node.op, ast.MatMult), f"{path.name}:{node.lineno}: a matrix product"
            is_power = isinstance(node.op, ast.Pow) and not isinstance(node.left, ast.Constant | ast.UnaryOp)
            assert not is_power, f"{path.name}:{node.lineno}: a power"
