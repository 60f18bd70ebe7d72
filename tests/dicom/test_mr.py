from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
import SimpleITK

from osteon.dicom.mr import MrHeader, write_mr_series
from osteon.dicom.roles import role
from osteon.dicom.scan import scan
from osteon.errors import InputError
from osteon.geometry import Grid
from osteon.records import Volume
from tests.dicom.validators import complaints, needs_dciodvfy

if TYPE_CHECKING:
    from pathlib import Path

HEADER = MrHeader(
    series_description="t2_tse_sag",
    protocol_name="t2_tse_sag",
    manufacturer="ACME",
    model="One",
    image_type=("ORIGINAL", "PRIMARY", "OTHER"),
    scanning_sequence=("SE",),
    sequence_variant=("SK",),
    scan_options=(),
    sequence_name=None,
    repetition_time_ms=3500.0,
    echo_time_ms=101.5,
    inversion_time_ms=None,
    echo_train=16,
    flip_angle_deg=150.0,
    field_t=1.5,
    pixel_bandwidth_hz=200.0,
    phase_encoding="COL",
    slice_thickness_mm=3.0,
    contrast_agent=None,
    series_number=2,
)
SAGITTAL = ((0.0, 0.0, -1.0), (1.0, 0.0, 0.0), (0.0, -1.0, 0.0))


def volume(seed: int = 1) -> Volume:
    array = np.random.default_rng(seed).integers(0, 1500, (4, 12, 10), dtype=np.uint16)
    grid = Grid(shape=(4, 12, 10), spacing_mm=(0.7, 0.9, 3.3), origin_mm=(12.0, -80.5, 60.0), direction=SAGITTAL)
    return Volume(array=array, grid=grid, modality="MR")


def write(folder: Path, header: MrHeader = HEADER, image: Volume | None = None) -> tuple[Path, ...]:
    return write_mr_series(
        volume() if image is None else image, folder, header=header, case="c1", seed_uid="s", age_years=60.2, sex="F"
    )


def test_simpleitk_reads_the_same_voxels_in_the_same_place(tmp_path: Path) -> None:
    files = write(tmp_path / "mr")
    image = SimpleITK.ReadImage([str(path) for path in files])
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), volume().array)
    for index in ((0, 0, 0), (9, 0, 0), (0, 11, 3)):
        np.testing.assert_allclose(image.TransformIndexToPhysicalPoint(index), volume().grid.to_mm(index), atol=1e-3)


def test_pydicom_reads_what_the_header_says(tmp_path: Path) -> None:
    changed = replace(HEADER, inversion_time_ms=160.0, contrast_agent="Gd", sequence_name="*tse2d1_16")
    dataset = pydicom.dcmread(write(tmp_path / "mr", changed)[2])
    expected: dict[str, Any] = {
        "Modality": "MR",
        "SeriesDescription": "t2_tse_sag",
        "EchoTime": 101.5,
        "RepetitionTime": 3500,
        "InversionTime": 160,
        "EchoTrainLength": 16,
        "MagneticFieldStrength": 1.5,
        "ContrastBolusAgent": "Gd",
        "SequenceName": "*tse2d1_16",
        "InstanceNumber": 3,
        "PatientAge": "060Y",
        "PatientID": "c1",
        "Manufacturer": "ACME",
        "ManufacturerModelName": "One",
        "InPlanePhaseEncodingDirection": "COL",
    }
    assert {key: dataset.get(key) for key in expected} == expected
    assert "RescaleSlope" not in dataset  # grey levels have no unit
    assert dataset.SOPClassUID.name == "MR Image Storage"


@needs_dciodvfy
def test_files_are_valid(tmp_path: Path) -> None:
    for number, header in enumerate((HEADER, replace(HEADER, inversion_time_ms=160.0, scanning_sequence=("SE", "IR")))):
        for path in write(tmp_path / str(number), header):
            assert complaints(path) == []


def test_same_input_same_bytes_and_other_voxels_another_series(tmp_path: Path) -> None:
    one, two = (write(tmp_path / name)[0].read_bytes() for name in ("a", "b"))
    assert one == two
    a, c = (pydicom.dcmread(path) for path in (tmp_path / "a" / "00001.dcm", write(tmp_path / "c", image=volume(2))[0]))
    assert a.SeriesInstanceUID != c.SeriesInstanceUID
    assert a.StudyInstanceUID == c.StudyInstanceUID
    assert a.FrameOfReferenceUID == c.FrameOfReferenceUID


def test_osteon_knows_its_role(tmp_path: Path) -> None:
    write(tmp_path / "mr")
    series = scan(tmp_path).studies[0].series[0]
    assert role(series) == "T2"


@pytest.mark.parametrize("value", [-1.0, 70000.0, float("nan")])
def test_grey_levels_that_do_not_fit_are_refused(tmp_path: Path, value: float) -> None:
    array = volume().array.astype(np.float32)
    array[0, 0, 0] = value
    with pytest.raises(InputError, match="expected finite grey levels from 0 to 65535"):
        write(tmp_path / "mr", image=replace(volume(), array=array))
    assert not (tmp_path / "mr").exists()
