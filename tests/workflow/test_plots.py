"""`dvc plots show` draws what dvc.yaml lists, from our templates, on a page that needs no network."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from dvc.render.match import match_defs_renderers
from dvc.repo import Repo

ROOT = Path(__file__).parents[2]
GRAPH = yaml.safe_load((ROOT / "dvc.yaml").read_text())
PLOTS = {name: plot for entry in GRAPH["plots"] for name, plot in entry.items()}
ROWS = {
    "counts": {"actual": ["brain", "femur"], "predicted": ["brain", "brain"]},
    "by_class": {
        "class": ["a", "a", "b"],
        "recall": [0.1, 0.2, 0.1],
        "precision": [0.9, 0.8, 0.7],
        "false_positive_rate": [0.1, 0.2, 0.1],
        "true_positive_rate": [0.8, 0.9, 0.7],
    },
    "free_response": {"class": ["a", "a", "b"], "false_boxes": [0, 2.5, 1], "recall": [0.1, 0.9, 0.5]},
    "by_epoch": {"step": [0, 1]},
    "by_revision": {"coverage": [0.5, 1], "error": [0, 0.1]},
    "reliability": {"bin": [9, 15], "mean_confidence": [0.6, 0.97], "accuracy": [0.5, 1], "n": [2, 9]},
}
"""Columns of the tables that each template draws; logs of a training have one more, of their metric's name."""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Return a DVC project that has our plots and templates, and a small table for each."""
    top = tmp_path_factory.mktemp("project")
    Repo.init(str(top), no_scm=True).close()
    shutil.copytree(ROOT / ".dvc/plots", top / ".dvc/plots")
    (top / "dvc.yaml").write_text(yaml.safe_dump({"plots": GRAPH["plots"]}))
    for plot in PLOTS.values():
        for file, column in plot["y"].items():
            path = top / file
            path.parent.mkdir(parents=True, exist_ok=True)
            rows = ROWS[plot["template"]]
            table = pd.DataFrame(rows if column in rows else rows | {column: [0.5, 0.6]})
            table.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return top


@pytest.fixture(scope="module")
def drawn(project):
    """Return the specification of each plot, as a browser gets it."""
    with Repo(str(project)) as repo:
        found = match_defs_renderers(repo.plots.show(), templates_dir=repo.plots.templates_dir)
        assert not any(errors or more for _, errors, more in found)
        return {renderer.name: renderer.get_filled_template() for renderer, _, _ in found}


def test_every_plot_has_a_title_and_names_its_axes(drawn):
    assert set(drawn) == set(PLOTS)
    for name, plot in PLOTS.items():
        assert drawn[name]["title"]["text"] == plot["title"]
        encoding = drawn[name].get("spec", drawn[name])["encoding"]
        assert (encoding["x"]["title"], encoding["y"]["title"]) == (plot["x_label"], plot["y_label"])


def _strings(part):
    if isinstance(part, dict):
        for value in part.values():
            yield from _strings(value)
    elif isinstance(part, list):
        for value in part:
            yield from _strings(value)
    elif isinstance(part, str):
        yield part


def test_no_place_of_a_template_is_left_empty(drawn):
    assert [text for name in drawn for text in _strings(drawn[name]) if "DVC_METRIC" in text] == []


def test_curves_are_lines_per_class_in_the_order_of_the_table(drawn):
    for name, plot in PLOTS.items():
        if plot["template"] == "by_class":
            encoding = drawn[name]["encoding"]
            (window,) = drawn[name]["transform"]
            assert encoding["color"]["field"] == "class"
            assert "class" in drawn[name]["data"]["values"][0]
            assert window["groupby"] == ["rev", "class"]
            assert encoding["order"]["field"] == window["window"][0]["as"]


def test_the_cells_of_a_confusion_matrix_hold_their_counts(drawn):
    layers = drawn["planes/confusion"]["spec"]["layer"]
    assert [layer["encoding"]["text"]["field"] for layer in layers if layer["mark"] == "text"] == ["count"]


def test_logs_of_a_training_are_told_apart(drawn):
    for name, plot in PLOTS.items():
        if plot["template"] == "by_epoch":
            rows = drawn[name]["data"]["values"]
            assert len({row.get("filename::field") or row["filename"] for row in rows}) == len(plot["y"])


def test_the_page_loads_nothing_and_holds_every_plot(project):
    page = project / "page.html"
    subprocess.run([sys.executable, ROOT / "workflow/plots_page.py", page], check=True)
    shown = subprocess.run(
        [sys.executable, "-m", "dvc", "plots", "show", "--html-template", page, "--out", "shown"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    text = (project / "shown/index.html").read_text()
    outside_scripts = re.sub(r"<script[^>]*>.*?</script>|<!--.*?-->", "", text, flags=re.DOTALL)
    assert "<script src" not in text
    assert not {"http", "<link", "<img"} & set(re.findall(r"http|<link|<img", outside_scripts))
    assert text.count("vegaEmbed('#") == len(PLOTS)
    for script in ("vega", "vega-lite", "vega-embed"):
        assert f"<!-- {script}\nCopyright" in text
    assert json.dumps(next(iter(PLOTS.values()))["title"]) in text


def test_set_up_writes_the_page_where_dvc_is_told_to_look():
    makefile = (ROOT / "Makefile").read_text()
    assert "python workflow/plots_page.py $(VENV)/plots.html" in makefile
    assert "dvc config --local plots.html_template ../$(VENV)/plots.html" in makefile


def test_each_data_set_that_is_evaluated_has_its_plots():
    with Repo(str(ROOT)) as repo:
        folders = {
            out.def_path
            for stage in repo.index.stages
            if stage.cmd
            for out in stage.outs
            if out.def_path.startswith("plots/")
        }
    files = {file for plot in PLOTS.values() for file in plot["y"]}
    drawn = {folder for folder in folders if any(file.startswith(f"{folder}/") for file in files)}
    assert drawn == folders
    assert all(file.startswith(tuple(f"{folder}/" for folder in folders)) for file in files)
