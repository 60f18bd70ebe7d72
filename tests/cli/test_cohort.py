from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from osteon.cli.main import build_app
from osteon.cohort.manifest import read_cohort
from osteon.cohort.splits import read_splits
from osteon.errors import CohortError, UsageError
from tests.cohort.importers.test_nnunet import write_raw
from tests.cohort.make import texture, write, write_case

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(build_app(), ["cohort", *arguments])
    if isinstance(done.exception, Exception):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cases = [
        write_case(tmp_path / "c", f"{name}{k}", texture(seed), patient=name, labels={"diagnosis": name in "ab"})
        for seed, (name, k) in enumerate([("a", 1), ("a", 2), ("b", 1), ("c", 1), ("d", 1)])
    ]
    write(tmp_path / "c", cases)
    return tmp_path / "c"


def test_split_then_check_is_clean_and_a_leak_exits_1(folder: Path) -> None:
    shown = run("split", str(folder), "--folds", "2", "--stratify", "diagnosis")
    assert "fold 1: train" in shown
    assert len(read_splits(folder / "splits.json", read_cohort(folder))) == 2
    assert "no leak found" in run("check", str(folder))
    (folder / "splits.json").write_text(json.dumps([{"train": ["a1", "b1"], "val": ["a2", "c1", "d1"]}]))
    document = json.loads(run("check", str(folder), "--json", code=1))
    assert document["schema"] == "osteon-leakage/1"
    assert [(leak["kind"], leak["sides"], leak["examples"]) for leak in document["leaks"]] == [
        ("patient", ["train", "val"], ["a"])
    ]


def test_a_split_in_use_is_not_replaced(folder: Path) -> None:
    run("split", str(folder), "--shares", "2:1:1", "--seed", "3")
    assert read_splits(folder / "splits.json", read_cohort(folder))[0].test
    with pytest.raises(UsageError, match="already exists"):
        run("split", str(folder), "--folds", "2")
    other = json.loads(run("split", str(folder), "--out", str(folder / "other.json"), "--folds", "4", "--json"))
    assert len(other) == 4


def test_import_prints_what_was_made(tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "D1")
    arguments = ["import", "nnunet", str(raw), "--out", str(tmp_path / "o"), "--system", "lytic", "--modality", "CT"]
    summary = json.loads(run(*arguments, "--json"))
    assert (summary["cases"], summary["truth"]) == (3, ["bone", "lesions"])
    assert read_cohort(tmp_path / "o").name == "D1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["import", "dicomrt", ".", "--out", "o", "--system", "lytic", "--modality", "CT"], "expected one of nnunet"),
        (["import", "seg", "nowhere", "--out", "o", "--system", "lytic", "--modality", "CT"], "no such folder"),
        (["import", "seg", ".", "--out", "o", "--system", "lytic", "--modality", "PT"], "expected CT or MR"),
        (["check", "."], "neither cohort.json nor two or more folders"),
        (["check", ".", "--splits", "s.json"], "no cohort.json"),
    ],
)
def test_wrong_usage_says_what_is_expected(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        run(*arguments)


def test_shares_that_are_none_are_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="expected three numbers with colons"):
        run("split", str(folder), "--shares", "7:3")


def test_a_cohort_without_cases_is_not_called_clean(tmp_path: Path) -> None:
    write(tmp_path, [])
    with pytest.raises(CohortError, match="no cases; there is nothing to check"):
        run("check", str(tmp_path))
