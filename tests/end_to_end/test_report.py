"""The page of a real run: DVC makes it last, its hashes are those of the lock, and card and checklists go with it."""

import re

import pandas as pd
import yaml
from checkouts import Checkout, stages_run


def _outputs(checkout: Checkout) -> dict[str, str]:
    stages = yaml.safe_load((checkout.path / "dvc.lock").read_text())["stages"]
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage["outs"]}


def test_a_run_leaves_the_page_which_git_does_not_keep(by_dvc: Checkout) -> None:
    page = (by_dvc.path / "reports/index.html").read_text()
    assert [page.index(f'id="fails-{name}"') > 0 for name in ("planes", "structures")] == [True, True]
    assert by_dvc.run("git", "check-ignore", "reports/index.html").strip() == "reports/index.html"
    assert by_dvc.run("git", "status", "--short") == ""


def test_every_hash_on_it_is_that_of_the_lock(by_dvc: Checkout) -> None:
    page, known = (by_dvc.path / "reports/index.html").read_text(), _outputs(by_dvc)
    rows = re.findall(r'<code>([^<]+)</code></th><td>[^<]+</td><td class="hash">([^<]+)</td>', page)
    assert len(rows) > 30
    assert [(path, md5) for path, md5 in rows if known.get(path) != md5] == []


def test_no_patient_and_no_image_is_named_on_it_or_in_the_papers(by_dvc: Checkout) -> None:
    by_dvc.run("sonotrace", "export", "card", "card.md")
    by_dvc.run("sonotrace", "export", "checklist", "checklist.md")
    for name in ("planes", "structures"):
        split = pd.read_csv(by_dvc.path / f"data/{name}/split/split.csv", dtype=str)
        for path in ("reports/index.html", "card.md", "checklist.md"):
            content = (by_dvc.path / path).read_text()
            assert [image for image in split["image"] if image in content] == []
    for path in ("card.md", "checklist.md"):
        (by_dvc.path / path).unlink()


def test_lineage_leads_from_it_to_the_data(by_dvc: Checkout) -> None:
    said = by_dvc.run("sonotrace", "lineage", "reports/index.html")
    for stage in ("report", "gather@planes", "evaluate@structures", "train_cnn@planes", "pull@planes"):
        assert f"\n{stage}\n" in said
    assert "verified: every file" in by_dvc.run("sonotrace", "verify")


def test_names_are_shown_without_measuring_anything_again(by_dvc: Checkout) -> None:
    by_dvc.set_params({"report.patients": "shown"})
    assert sorted(stages_run(by_dvc.run("dvc", "repro"))) == ["gather@planes", "gather@structures", "report"]
    split = pd.read_csv(by_dvc.path / "data/planes/split/split.csv", dtype=str)
    tested = split[split["side"] == "test"]
    page = (by_dvc.path / "reports/index.html").read_text()
    assert any(image in page for image in tested["image"])
    assert stages_run(by_dvc.run("dvc", "repro")) == []
