"""The two files of metrics agree, and undefined figures are null."""

from sonotrace.scores.report import arranged


def test_undefined_figures_are_null():
    nan = float("nan")
    found = {"recall": (0.5, 0.123456, 1.0), "map50": (nan, nan, nan), "recall.CSP": (nan, nan, nan)}
    headline, detail = arranged("per_structure", found, {"n_images": 2}, {"CSP": 0})
    assert headline == {"recall": 0.5, "map50": None, "n_images": 2}
    assert detail["overall"]["recall"] == {"value": 0.5, "low": 0.1235, "high": 1.0}
    assert detail["per_structure"] == {"CSP": {"n": 0, "recall": {"value": None, "low": None, "high": None}}}
