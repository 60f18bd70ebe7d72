"""Result folders of several series, why there is no CT to read, and the summary; no model runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from osteon.dicom.scan import ScanResult
from osteon.errors import InputError
from osteon.formats.nifti import read_nifti
from osteon.records import Patient, Series, Study
from osteon.systems.study_reading import (
    MarkedSeries,
    ct_series,
    summary_of,
    unread_files,
    why_no_ct,
    write_result_folder,
)
from tests.readings import make_example

if TYPE_CHECKING:
    from pathlib import Path


def series(uid: str, *, modality: str = "CT", problems: tuple[str, ...] = ()) -> Series:
    return Series(uid=uid, study_uid="1.2", modality=modality, files=(), source="nifti", problems=problems)


def study(*members: Series) -> Study:
    return Study(uid="1.2", patient=Patient(), series=members)


@pytest.mark.parametrize("count", [1, 2])
def test_masks_of_several_series_are_numbered_in_their_order(tmp_path: Path, count: int) -> None:
    example = make_example(2)
    reading = replace(
        example.reading, provenance=replace(example.reading.provenance, timings_s={"lesions": 1.0, "all": 2.51})
    )
    marked = [
        MarkedSeries(series=series(f"1.{k}"), volume=example.volume, labels=np.roll(example.labels, k, axis=2))
        for k in range(count)
    ]
    written = write_result_folder(tmp_path / "out", reading=reading, series=marked)
    names = ["findings.nii.gz"] if count == 1 else ["findings-1.nii.gz", "findings-2.nii.gz"]
    assert written.files == (*names, "reading.json", "report.html")
    for name, one in zip(names, marked, strict=True):
        assert np.array_equal(read_nifti(tmp_path / "out" / name).array, one.labels)
    assert "no DICOM series" in written.reading.warnings[-1]
    summary = summary_of(study(), tmp_path / "out", written, "2 findings")
    assert (summary["study"], summary["series"], summary["findings"]) == ("1.2", reading.series_uid, 2)
    assert summary["files"] == list(written.files)
    assert summary["warnings"] == list(written.reading.warnings)
    assert summary["summary"] == "2 findings, 2.5 s"


def test_why_there_is_no_ct_names_what_was_found_and_what_is_wrong() -> None:
    gap = "Series 1.5: slice gaps from 1 to 4 mm"
    why = why_no_ct(study(series("1.4", modality="MR"), series("1.5", problems=(gap,))), "")
    assert "found CT, MR." in why
    assert f"series 1.5 (CT): {gap}" in why
    assert "found no image series" in why_no_ct(study(), "")
    with pytest.raises(InputError, match=r"^study 1\.2: no CT series"):
        ct_series(study(), "")


def test_files_that_could_not_be_read_are_counted() -> None:
    found = ScanResult(studies=())
    assert unread_files(found) == []
    assert unread_files(replace(found, failures={"a": "x", "b": "x"}))[0].startswith("2 files")
