"""The documentation site: `make docs` builds it into `site/`. Commands and parameters are written out by the build."""

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))

from reference import commands, parameters  # noqa: E402

project = "sonotrace"
author = "the sonotrace authors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
html_theme = "furo"
html_title = "sonotrace"
html_copy_source = False
html_show_sphinx = False
myst_heading_anchors = 3
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
nitpicky = False
copybutton_exclude = ".linenos, .gp, .go"


def setup(app: object) -> None:  # noqa: ARG001
    """Write the generated pages before Sphinx lists its sources."""
    commands.write(DOCS / "reference/commands.md")
    parameters.write(DOCS / "reference/parameters.md")
