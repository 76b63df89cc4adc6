"""Files that were moved and parameters that only got another key are recognised, each once, either way round."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.compare.renames import of_files, of_parameters

ROOT = Path(__file__).parents[2]
MOVE = "Rooms: folders by what the data goes through"
FILES = st.dictionaries(
    st.sampled_from(["a.py", "b/a.py", "b.py", "c/d.py"]),
    st.lists(st.sampled_from([b"one", b"two", b"three"])).map(b"\n".join),
)
KEYS = st.sets(st.sampled_from(["s.x", "s.y.z", "s.planes.x", "s.planes.y.z", "s.clinic.x", "planes", "s.planes"]))


@given(FILES, FILES)
def test_each_file_is_paired_once_and_the_way_back_pairs_the_same_bytes(gone, new):
    found = of_files(gone, new)
    assert set(found) <= set(new)
    assert set(found.values()) <= set(gone)
    assert len(set(found.values())) == len(found)
    back = of_files(new, gone)
    same = [sum(gone[old] == new[path] for path, old in found.items())]
    assert same == [sum(new[old] == gone[path] for path, old in back.items())]


@given(FILES)
def test_a_file_with_the_same_bytes_is_never_lost(files):
    assert len(of_files(files, {f"elsewhere/{path}": content for path, content in files.items()})) == len(files)


def test_half_of_the_lines_are_enough_and_less_are_not():
    old = {"old.py": b"a\nb\nc\nd"}
    assert of_files(old, {"new.py": b"a\nb\nx\ny"}) == {"new.py": "old.py"}
    assert of_files(old, {"new.py": b"a\nx\ny\nz"}) == {}
    assert of_files(old, {"new.py": b"a\nb\nc\nd\n1\n2\n3\n4\n5"}) == {}


def test_the_file_most_alike_is_taken_then_the_one_that_kept_its_name():
    gone = {"a.py": b"a\nb\nc\nd", "b.py": b"a\nb\nc\nd"}
    assert of_files(gone, {"x/b.py": b"a\nb\nc\nd", "x/c.py": b"a\nb\nc"}) == {"x/b.py": "b.py", "x/c.py": "a.py"}


def test_a_licence_header_makes_no_two_files_alike():
    header = b"# SPDX-License-Identifier: MIT\n# SPDX-FileCopyrightText: us\n\n"
    assert of_files({"a.py": header + b"x = 1"}, {"b.py": header + b"y = 2"}) == {}


@given(KEYS, KEYS)
def test_each_key_is_paired_once_and_the_way_back_is_the_same(one, other):
    gone, new = one - other, other - one
    found = of_parameters(gone, new, ["planes", "clinic"])
    assert set(found) <= new
    assert set(found.values()) <= gone
    assert len(set(found.values())) == len(found)
    assert {old: key for key, old in of_parameters(new, gone, ["planes", "clinic"]).items()} == found


def test_only_the_name_of_a_data_set_after_the_stage_makes_a_key_the_same():
    assert of_parameters({"t.x"}, {"t.planes.x"}, ["planes"]) == {"t.planes.x": "t.x"}
    assert of_parameters({"t.x"}, {"t.planes.x"}, ["clinic"]) == {}
    assert of_parameters({"t.x"}, {"planes.t.x", "t.x.planes", "t.planes.y"}, ["planes"]) == {}


def test_of_several_data_sets_the_first_takes_the_old_key():
    new = {"t.clinic.x", "t.planes.x"}
    assert of_parameters({"t.x"}, new, ["planes", "clinic"]) == {"t.planes.x": "t.x"}


def test_the_files_of_this_project_s_own_move_are_found():
    def git(*arguments):
        done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, check=False)
        return done.stdout.decode() if done.returncode == 0 else ""

    commit = git("log", "--all", "--fixed-strings", f"--grep={MOVE}", "--format=%H").strip()
    before = git("ls-tree", "-r", "--name-only", f"{commit}~", "src").split()
    if not commit or not before:
        pytest.skip("the history of this clone does not reach back to the move")
    after = git("ls-tree", "-r", "--name-only", commit, "src").split()
    gone = {path: git("show", f"{commit}~:{path}").encode() for path in before if path not in after}
    new = {path: git("show", f"{commit}:{path}").encode() for path in after if path not in before}
    found = of_files(gone, new)
    assert found["src/sonotrace/records/lock.py"] == "src/sonotrace/lineage/tree.py"
    assert found["src/sonotrace/scores/planes.py"] == "src/sonotrace/plane_scores.py"
    assert set(gone) - set(found.values()) <= {"src/sonotrace/structures.py"}
