"""The number of processes and threads changes no byte of a case."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from osteon.phantom.cohort import PhantomOptions, make_cohort

if TYPE_CHECKING:
    from pathlib import Path

RANGES_MM = {"differential": (20.0, 40.0), "metastasis": (40.0, 100.0), "tumor": None, "fracture": None}


def files(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("system", RANGES_MM)  # lytic: tests/phantom/test_cohort.py
def test_one_patient_in_two_threads_is_the_same(system: str, tmp_path: Path) -> None:
    options = PhantomOptions(system=system, patients=1, seed=3, range_mm=RANGES_MM[system])
    for jobs in (1, 2):
        make_cohort(options, tmp_path / str(jobs), jobs=jobs)
    one, two = (files(tmp_path / str(jobs)) for jobs in (1, 2))
    assert one == two
    assert any(path.suffix == ".dcm" for path in one)


def test_two_patients_in_two_processes_are_the_same(tmp_path: Path) -> None:
    options = PhantomOptions(system="differential", patients=2, seed=3, range_mm=(20.0, 40.0))
    for jobs in (1, 2):
        make_cohort(options, tmp_path / str(jobs), jobs=jobs)
    assert files(tmp_path / "1") == files(tmp_path / "2")
