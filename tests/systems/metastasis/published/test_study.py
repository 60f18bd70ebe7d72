"""The whole study on six tiny patients: every table is there, and a second run gives the same figures."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from osteon.cohort.manifest import write_cohort
from osteon.errors import CohortError, UsageError
from osteon.systems.metastasis import system
from osteon.systems.metastasis.published.config import CELLS
from osteon.systems.protocol import ReproduceOptions
from tests.systems.metastasis.scenes import Scene, make_cohort

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.cohort.manifest import Cohort

TINY: dict[str, Any] = {
    "data": {"test_share": 0.34, "validation_share": 0.34},
    "input": {"scaled": 32, "size": 32, "slices": 8, "clahe": False, "registration": "none"},
    "unet2d": {"width": 2, "levels": 2, "epochs": 1, "samples": 8, "batch": 4},
    "unet3d": {"width": 2, "levels": 2, "epochs": 1, "samples": 2, "batch": 1},
    "resamples": 20,
    "precision": "32-true",
}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Five internal patients and one of the external centre, which has no FO."""
    scenes = [Scene(seed=k, lesions=k % 3 + 1) for k in range(5)] + [Scene(seed=9, lesions=3, sequences=("T1", "CE"))]
    made = make_cohort(tmp_path_factory.mktemp("study") / "c", scenes)
    cases = tuple(replace(case, centre="acaacb"[k], age_years=60.0 + k, sex="F") for k, case in enumerate(made.cases))
    made = replace(made, cases=cases)
    write_cohort(made)
    return made


def run(out: Path, cohort: Cohort, **options: Any) -> Any:
    chosen = ReproduceOptions(cohort=cohort, settings=TINY, device="cpu", **options)
    return system.reproduce(out, options=chosen, on_step=lambda *_: None, on_case=lambda *_: None)


def test_all_tables_in_the_studys_order_and_the_same_figures_twice(cohort: Cohort, tmp_path: Path) -> None:
    done = run(tmp_path / "a", cohort)
    titles = [section.title for section in done.result.sections]
    assert [title.split(":")[0] for title in titles[:8]] == [
        "Table 1",
        "Supplementary Table 3",
        "Table 2",
        "Table 3",
        "Supplementary Table 4",
        "Table 4",
        "Figure 6",
        "Figure 6",
    ]
    grid = done.result.sections[1]
    assert len({figure.group for figure in grid.figures}) == 14
    external = done.result.sections[2].figures
    assert [figure.printed.split()[0] for figure in external[:3]] == ["0.699", "0.653", "0.752"]
    assert any("slip" in figure.printed for figure in done.result.sections[5].figures)
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"evaluation.json", "per_case.csv", "report.html"}
    networks = {row["network"] for row in done.rows if row["test"] == "external"}
    assert networks == {"2D T1", "2D CE", "2D T1 + CE", "3D T1", "3D CE", "3D T1 + CE"}
    again = run(tmp_path / "b", cohort)
    assert _figures(tmp_path / "a") == _figures(tmp_path / "b")
    assert again.rows == done.rows


def _figures(out: Path) -> Any:
    return json.loads((out / "evaluation.json").read_text())["sections"]


def test_stages_run_one_by_one(cohort: Cohort, tmp_path: Path) -> None:
    first = run(tmp_path / "o", cohort, stages=("data", CELLS[0]))
    assert first.done == ("data", CELLS[0])
    assert not first.complete
    with pytest.raises(UsageError, match="expected one of data, unet2d-t1"):
        run(tmp_path / "o", cohort, stages=("nonsense",))


def test_a_cohort_without_the_external_centre_says_how_to_name_another(cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match=r"no case of centre .b.*data\.external_centre"):
        run(tmp_path / "o", replace(cohort, cases=cohort.cases[:5]), stages=("data",))
