# What `snakemake --report report.html` shows: our own page, then one category per folder; of folders full of
# plots, the pictures.
import csv
import json
import re
from pathlib import Path

CATEGORIES = {"metrics": "Scores", "plots": "Plots", "reports": "Data"}
PAGE = "reports/index.html"

with open("workflow/artifacts.csv", encoding="utf-8", newline="") as table:
    descriptions = {row["artifact"]: row["what"] for row in csv.DictReader(table)}  # with {data_set} for its name


def reported(stage, path):
    """Return an output of a stage as Snakemake is to know it."""
    output = path if Path(path).suffix else directory(path)
    category = "Report" if path == PAGE else CATEGORIES.get(Path(path).parts[0])
    if category is None:
        return output

    data_set = stage.addressing.partition("@")[2]

    def labels(wildcards):
        file = Path(path)
        what = next((what for form, what in descriptions.items() if form.replace("{data_set}", data_set) == path), "")
        if "picture" in wildcards.keys():
            file /= f"{wildcards.picture}.svg"
            what = re.search("<title>(.*)</title>", file.read_text(encoding="utf-8"))[1]
        return {"data set": data_set or "all", "file": file.name, "what": what}

    return report(
        output,
        caption=f"report/{category.lower()}.rst",
        category=category,
        labels=labels,
        patterns=["{picture}.svg"],
    )


def scores():
    """Yield data set, score, value and both ends of its 95 % interval."""
    for path in sorted(Path("metrics").glob("*_detail.json")):
        for score, figure in json.loads(path.read_text(encoding="utf-8"))["overall"].items():
            yield path.stem.removesuffix("_detail"), score, figure["value"], figure["low"], figure["high"]


config["scores"] = scores  # the pages of a report see nothing of a workflow but its configuration
