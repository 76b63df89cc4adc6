"""Every locked library has a licence under which the project may be passed on, or a known reason to be used."""

import re
from importlib.metadata import Distribution, distributions

import pytest

FREE = re.compile(
    r"^(AND|OR|WITH|MIT|MIT-0|MIT-CMU|BSD|0BSD|BSD-[23]-Clause|[23]-Clause BSD|2-clause BSD|Apache|Apache-2\.0|"
    r"LLVM-exception|"
    r"Apache License,? (Version )?2\.0|Apache Software|PSF-2\.0|Python Software Foundation|ISC|ISC License \(ISCL\)|"
    r"MPL-2\.0|Mozilla Public License 2\.0 \(MPL 2\.0\)|Zope Public|Zlib|CC0-1\.0|BSL-1\.0|Public Domain|"
    r"The Unlicense \(Unlicense\)|AGPL-3\.0-only|GNU Affero General Public License v3 or later \(AGPLv3\+\)|"
    r"GNU Lesser General Public License v3 or later \(LGPLv3\+\)|GNU General Public License v3 \(GPLv3\)|"
    r"GPL-2\.0-or-later|GPLv2 with linking exception)$"
)
"""Licences whose code may be passed on with code under the AGPL, version 3."""

KNOWN = {
    "nvidia-": "CUDA's libraries, which PyTorch needs on Linux; their licence lets anybody use and install them",
    "cuda-toolkit": "an empty package that names CUDA's libraries",
    "mlcroissant": "Apache 2, in its repository",
    "grandalf": "GPL 2 or EPL 1; DVC's, which draws graphs with it",
    "docutils": "mostly public domain, parts under BSD, one file under GPL 3; Snakemake's and Sphinx's",
    "pylibjpeg-libjpeg": "GPL 3, around a library under GPL 3 that its own metadata calls other",
    "asyncssh": "EPL 2 or GPL 2 or later; DVC's, for git over SSH",
    "owlrl": "W3C's software licence; of the test that validates RO-Crates",
}
"""Beginning of a library's name -> why it is used although its metadata names no such licence."""


def licences(library: Distribution) -> list[str]:
    """Return the licences that a library's metadata names, as it names them."""
    about = library.metadata
    if expression := about.get("License-Expression"):
        return [part.strip() for part in re.split(r"[()]|\b(?:AND|OR|WITH)\b", expression) if part.strip()]
    named = [one.split(" :: ")[-1] for one in about.get_all("Classifier", []) if one.startswith("License ::")]
    named = [re.sub(r" License$", "", one) for one in named if one != "OSI Approved"]
    stated = (about.get("License") or "").strip().splitlines()
    if not named and stated:
        named = [part.strip() for part in re.split(r"\b(?:AND|OR)\b", re.sub(r" License$", "", stated[0]))]
    if named in ([], ["UNKNOWN"]):
        files = [file for file in library.files or [] if re.match(r"(?i)licen[cs]e", file.name)]
        named = [kind for file in files for kind in re.findall(r"MIT|Apache|BSD", file.read_text()[:200])]
    return named


@pytest.mark.parametrize("library", sorted(distributions(), key=lambda one: one.name.lower()), ids=lambda one: one.name)
def test_the_licence_lets_the_project_be_passed_on(library):
    name = library.name.lower()
    if any(name.startswith(one) for one in KNOWN):
        return
    named = licences(library)
    assert named, f"{name}: its metadata names no licence; find it out, and note it in KNOWN"
    assert [one for one in named if not FREE.match(one)] == [], f"{name}: note in KNOWN why it may be used"
