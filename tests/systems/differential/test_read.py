from __future__ import annotations

import json
from typing import TYPE_CHECKING

import highdicom
import numpy as np
import pydicom
import pytest

from osteon.dicom import codes
from osteon.dicom.scan import scan as scan_folder
from osteon.dicom.series import load_volume
from osteon.errors import InputError
from osteon.formats.nifti import read_nifti, write_nifti
from osteon.formats.reading_json import read_reading
from osteon.systems import lesion_source
from osteon.systems.differential import system
from osteon.systems.differential.read import read_volume
from osteon.systems.lesion_source import Lesions, given_lesions
from osteon.systems.protocol import ReadOptions
from tests.cohort.importers.test_seg import write_seg_of
from tests.cohort.make import grid_of

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.cohort.manifest import Cohort
    from osteon.dicom.scan import ScanResult
    from osteon.systems.differential.bundle import DifferentialModel
    from osteon.training.bundle import ModelBundle


@pytest.fixture(scope="session")
def model(made: tuple[Cohort, ModelBundle]) -> DifferentialModel:
    return system.load_model(made[1].folder, device="cpu")


@pytest.fixture
def study(others: Cohort) -> tuple[ScanResult, Path]:
    """A patient with myeloma that the model has not seen, and the mask of the lesion."""
    case = others.cases[0]
    return scan_folder(others.study_path(case)), others.truth_path(case, "lesions")


def test_a_study_gets_an_answer_with_its_parts(
    model: DifferentialModel, study: tuple[ScanResult, Path], tmp_path: Path
) -> None:
    found, mask = study
    summary = system.read_study(
        found.studies[0], model, tmp_path / "out", options=ReadOptions(lesions=mask), found=found
    )
    assert summary["files"] == ["findings.seg.dcm", "findings.sr.dcm", "reading.json", "report.html"]
    reading = read_reading(tmp_path / "out/reading.json")
    verdicts = reading.verdicts
    assert verdicts == summary["verdicts"]
    assert verdicts["diagnosis"] == "myeloma"
    assert verdicts["probability_myeloma"] > 0.5
    assert [part["slice"] for part in verdicts["slice_scores"]] == [1, 2, 3]
    assert [part["z_mm"] for part in verdicts["slice_scores"]] == [3.0, 6.0, 9.0]
    share = np.mean([part["myeloma"] >= 0.5 for part in verdicts["slice_scores"]])
    assert verdicts["share_of_slices_for_myeloma"] == pytest.approx(share)
    finding = reading.findings[0]
    assert (finding.kind, finding.box.x0, finding.box.x1, finding.box.z0, finding.box.z1) == (
        "lytic lesion",
        16,
        24,
        1,
        4,
    )
    assert finding.volume_mm3 == pytest.approx(8 * 8 * 3 * 3)
    assert "myeloma" in (tmp_path / "out/report.html").read_text()
    assert summary["summary"].startswith("myeloma, probability of myeloma 0.")


def test_the_sr_holds_the_answer_coded(
    model: DifferentialModel, study: tuple[ScanResult, Path], tmp_path: Path
) -> None:
    found, mask = study
    summary = system.read_study(
        found.studies[0], model, tmp_path / "out", options=ReadOptions(lesions=mask), found=found
    )
    sr = highdicom.sr.srread(tmp_path / "out/findings.sr.dcm")
    text = str(sr)
    assert codes.MULTIPLE_MYELOMA.value in text
    assert codes.PROBABILITY_MYELOMA.meaning in text
    values = {
        item.ConceptNameCodeSequence[0].CodeValue: float(item.MeasuredValueSequence[0].NumericValue)
        for item in _walk(sr)
        if item.get("ValueType") == "NUM"
    }
    assert values["prob-myeloma"] == pytest.approx(100 * summary["verdicts"]["probability_myeloma"])
    assert values["slices-read"] == 3
    seg = pydicom.dcmread(tmp_path / "out/findings.seg.dcm")
    assert len(seg.SegmentSequence) == 1


def _walk(item: pydicom.Dataset) -> list[pydicom.Dataset]:
    return [item, *(one for child in item.get("ContentSequence", []) for one in _walk(child))]


def test_a_seg_says_the_same_as_a_nifti_mask(
    model: DifferentialModel, study: tuple[ScanResult, Path], tmp_path: Path
) -> None:
    import shutil

    found, mask = study
    series = found.series[0]
    shutil.copytree(series.files[0].parent, tmp_path / "ct")
    seg = write_seg_of(tmp_path / "ct", {"hole": read_nifti(mask).array > 0})
    volume = load_volume(series)
    pair = [given_lesions(path, volume=volume, series=series, kind="lytic lesion") for path in (mask, seg)]
    assert np.array_equal(pair[0].labels, pair[1].labels)
    assert pair[0].findings == pair[1].findings


def test_no_lesion_gives_no_answer(model: DifferentialModel, study: tuple[ScanResult, Path], tmp_path: Path) -> None:
    found, _ = study
    write_nifti(tmp_path / "none.nii.gz", np.zeros((5, 40, 40), dtype=np.uint8), grid_of((5, 40, 40)))
    options = ReadOptions(lesions=tmp_path / "none.nii.gz")
    summary = system.read_study(found.studies[0], model, tmp_path / "out", options=options, found=found)
    assert summary["verdicts"] == {
        "diagnosis": None,
        "probability_myeloma": None,
        "lesion_count": 0,
        "slices_read": 0,
    }
    assert summary["summary"].startswith("no lesion, no answer")
    assert "findings.seg.dcm" not in summary["files"]
    assert any("nothing to tell apart" in warning for warning in summary["warnings"])
    json.loads((tmp_path / "out/reading.json").read_text())


def test_a_mask_that_does_not_fit_is_refused(
    model: DifferentialModel, study: tuple[ScanResult, Path], tmp_path: Path
) -> None:
    found, _ = study
    write_nifti(tmp_path / "m.nii.gz", np.zeros((4, 40, 40), dtype=np.uint8), grid_of((4, 40, 40)))
    options = ReadOptions(lesions=tmp_path / "m.nii.gz")
    with pytest.raises(InputError, match=r"m.nii.gz: a mask on grid \(4, 40, 40\)"):
        system.read_study(found.studies[0], model, tmp_path / "out", options=options, found=found)
    assert not (tmp_path / "out").exists()


def test_lesions_outside_the_spine_are_left_out(model: DifferentialModel, study: tuple[ScanResult, Path]) -> None:
    from dataclasses import replace

    found, mask = study
    volume = load_volume(found.series[0])
    given = given_lesions(mask, volume=volume, series=found.series[0], kind="lytic lesion")
    labels = given.labels * np.uint16(2)
    labels[1, :3, :3] = 1
    rib = replace(given.findings[0], site="rib")
    spine = replace(given.findings[0], number=2, site="vertebra")
    lesions = Lesions(labels=labels, findings=(rib, spine), source="two lesions")
    result = read_volume(volume, model, lesions, study_uid="2.25.1", series_uid="2.25.2")
    assert [(one.number, one.site) for one in result.reading.findings] == [(1, "vertebra")]
    assert np.array_equal(result.lesion_labels, given.labels)
    assert any("1 lesions outside the spine" in warning for warning in result.reading.warnings)


def test_without_a_mask_the_shipped_lytic_model_is_asked(
    model: DifferentialModel, study: tuple[ScanResult, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, mask = study
    asked: list[str] = []

    def stand_in(volume: object, series: object, *, study_uid: str, device: str, on_progress: object) -> Lesions:
        asked.append(study_uid)
        return given_lesions(mask, volume=volume, series=series, kind="lytic lesion")  # type: ignore[arg-type]

    monkeypatch.setattr(lesion_source, "lytic_lesions", stand_in)
    summary = system.read_study(found.studies[0], model, tmp_path / "out", options=ReadOptions(), found=found)
    assert asked == [found.studies[0].uid]
    assert summary["verdicts"]["slices_read"] == 3


def test_studies_that_cannot_be_read_are_explained(others: Cohort) -> None:
    found = scan_folder(others.study_path(others.cases[0]))
    assert system.unreadable(found.studies[0], options=ReadOptions()) == ""
    assert "no CT series" in system.unreadable(found.studies[0], options=ReadOptions(series_uid="1.2.3"))
