"""Write the page that `dvc plots show` fills in, with the scripts that draw inside it, so that no network is needed.

DVC's own page loads three scripts from a content network. Snakemake installs the same three for its reports.
"""

import sys
from importlib.resources import files
from pathlib import Path

SCRIPTS = ("vega", "vega-lite", "vega-embed")

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  {refresh_tag}
  <title>sonotrace: plots</title>
%s
</head>
<body style="font-family: sans-serif; margin: 24px">
  {plot_divs}
</body>
</html>
"""
"""DVC puts the plots in place of `plot_divs`; the place for its own scripts is left out."""


def page() -> str:
    """Return the page, each script below its licence."""
    assets = files("snakemake.assets") / "data"
    parts = []
    for name in SCRIPTS:
        licence = (assets / name / "LICENSE").read_text(encoding="utf-8")
        script = (assets / name / f"{name}.js").read_text(encoding="utf-8")
        parts.append(f"<!-- {name}\n{licence}-->\n<script>\n{script}\n</script>")
    return PAGE % "\n".join(parts)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
