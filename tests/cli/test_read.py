"""What ``osteon read`` makes of several studies; the model is replaced by a made-up reading."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from typer.testing import CliRunner

from osteon.cli.main import build_app
from osteon.formats.nifti import write_nifti
from osteon.formats.reading_json import read_reading
from osteon.systems.lytic.read import VolumeReading
from tests.dicom.make import Scheme, stored_values, write_series
from tests.readings import make_example, make_grid

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from osteon.records import Volume


def _read_volume(volume: Volume, model: object, *, warnings: tuple[str, ...], **facts: Any) -> VolumeReading:
    """Nothing found; warnings as the real one joins them."""
    reading = replace(
        make_example(0).reading,
        study_uid=facts["study_uid"],
        series_uid=facts["series_uid"],
        warnings=(*warnings, *volume.warnings),
    )
    reading = replace(reading, provenance=replace(reading.provenance, timings_s={"all": 1.0}))
    shape = volume.grid.shape
    return VolumeReading(reading=reading, bone_sites=np.ones(shape, np.uint8), lesion_labels=np.zeros(shape, np.uint16))


@pytest.fixture(autouse=True)
def _without_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("osteon.systems.lytic.bundle.load_model", lambda folder, device="auto": None)
    monkeypatch.setattr("osteon.systems.lytic.read.read_volume", _read_volume)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(build_app(), ["read", "lytic", *map(str, arguments), "--json"])


def test_a_study_that_fails_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    schemes = [Scheme() for _ in range(3)]
    for number, scheme in enumerate(schemes):
        write_series(tmp_path / "in" / str(number), stored_values((8, 32, 32)), scheme)

    def fails_on_the_second(volume: Volume, model: object, **facts: Any) -> VolumeReading:
        if facts["study_uid"] == schemes[1].study_uid:
            raise RuntimeError("out of memory")
        return _read_volume(volume, model, **facts)

    monkeypatch.setattr("osteon.systems.lytic.read.read_volume", fails_on_the_second)
    result = run(tmp_path / "in", "--out", tmp_path / "out")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert [one["study"] for one in document["readings"]] == [schemes[0].study_uid, schemes[2].study_uid]
    assert [one["study"] for one in document["failures"]] == [schemes[1].study_uid]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["001", "003"]


def test_a_study_with_ct_but_no_readable_series_is_a_failure(tmp_path: Path) -> None:
    good, bad, other = Scheme(), Scheme(), Scheme(modality="MR")
    write_series(tmp_path / "in" / "good", stored_values((8, 32, 32)), good)
    write_series(tmp_path / "in" / "bad", stored_values((2, 32, 32)), bad)
    write_series(tmp_path / "in" / "mr", stored_values((8, 32, 32)), other)
    result = run(tmp_path / "in", "--out", tmp_path / "out")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert [one["study"] for one in document["readings"]] == [good.study_uid]
    assert [one["study"] for one in document["failures"]] == [bad.study_uid]
    assert "no CT series of 3 slices" in document["failures"][0]["why"]
    assert (tmp_path / "out" / "reading.json").is_file()


def test_the_series_asked_for_leaves_other_studies_alone(tmp_path: Path) -> None:
    one, two = Scheme(), Scheme()
    write_series(tmp_path / "in" / "1", stored_values((8, 32, 32)), one)
    write_series(tmp_path / "in" / "2", stored_values((8, 32, 32)), two)
    result = run(tmp_path / "in", "--out", tmp_path / "out", "--series", two.series_uid)
    assert result.exit_code == 0, result.output
    assert [reading["series"] for reading in json.loads(result.stdout)["readings"]] == [two.series_uid]


def test_every_warning_comes_once(tmp_path: Path) -> None:
    tilted = Scheme(step_mm=(0.0, 0.5, 2.5))  # slices shifted along y: a gantry tilt, of which the scan warns
    write_series(tmp_path / "in", stored_values((8, 32, 32)), tilted)
    result = run(tmp_path / "in", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    warnings = read_reading(tmp_path / "out" / "reading.json").warnings
    assert any("tilt" in warning for warning in warnings)
    assert len(set(warnings)) == len(warnings)
    assert json.loads(result.stdout)["readings"][0]["warnings"] == list(warnings)


def test_the_name_of_a_nifti_file_goes_into_no_result(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "Doe_John_ct.nii.gz", np.ones((12, 40, 48), np.int16), make_grid())
    result = run(path, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    for name in ("reading.json", "report.html"):
        assert "Doe" not in (tmp_path / "out" / name).read_text()
    warnings = read_reading(tmp_path / "out" / "reading.json").warnings
    assert any("NIfTI instead" in warning for warning in warnings)
