from __future__ import annotations

import numpy as np
import pytest

from osteon.dicom.scan import scan
from osteon.dicom.sequences import choose_sequences
from osteon.dicom.series import load_volume
from osteon.imaging.sagittal import sagittal
from osteon.records import Volume
from osteon.systems.metastasis.config import KINDS, InputConfig
from osteon.systems.metastasis.stations import hit_voxels, lesion_overlap, prepare_station
from tests.systems.metastasis.scenes import Scene, write_study

CONFIG = InputConfig(scaled=64, size=48, slices=12, clahe=False)


def volumes_of(folder, scene: Scene) -> dict[str, Volume]:  # type: ignore[no-untyped-def]
    write_study(folder, scene)
    station = choose_sequences(scan(folder).series, kinds=KINDS).stations[0]
    return {name: load_volume(one) for name, one in station.series.items()}


def test_sequences_come_at_the_networks_size_as_bytes(tmp_path) -> None:  # type: ignore[no-untyped-def]
    prepared = prepare_station(volumes_of(tmp_path, Scene(lesions=1)), CONFIG)
    assert list(prepared.images) == ["T1", "FO", "CE"]
    for image in prepared.images.values():
        assert image.shape == (12, 48, 48)
        assert image.dtype == np.uint8
        assert image.min() < 20
        assert image.max() > 200


def test_movement_between_sequences_is_taken_back(tmp_path) -> None:  # type: ignore[no-untyped-def]
    volumes = volumes_of(tmp_path, Scene(lesions=3, moved_mm={"CE": 8.0}))
    prepared = prepare_station(volumes, InputConfig(scaled=64, size=48, slices=8, registration="shift"))
    assert prepared.moved["CE"].accepted
    assert prepared.moved["CE"].matrix[2, 3] == pytest.approx(8.0, abs=2.0)  # half a pixel
    assert prepared.moved["FO"].shift_mm < 2.0


def test_lesion_overlap_tells_a_registered_from_a_moved_sequence(tmp_path) -> None:  # type: ignore[no-untyped-def]
    scene = Scene(lesions=3, moved_mm={"CE": 14.0})
    volumes = volumes_of(tmp_path, scene)
    truth = write_study(tmp_path / "again", scene)[0]
    lesions = sagittal(Volume(array=truth[1], grid=truth[0], modality="MR")).array
    still = prepare_station(volumes, InputConfig(scaled=64, size=48, slices=8, registration="none"))
    part, why = lesion_overlap(lesions, still, "CE", volumes["CE"])
    assert part < 0.5
    assert "mm beside" in why
    assert lesion_overlap(lesions, still, "FO", volumes["FO"])[0] > 0.7
    assert lesion_overlap(np.zeros_like(lesions), still, "CE", volumes["CE"])[0] == 1.0


def test_lesions_outside_the_other_field_of_view_do_not_overlap(tmp_path) -> None:  # type: ignore[no-untyped-def]
    volumes = volumes_of(tmp_path, Scene(lesions=1))
    prepared = prepare_station(volumes, CONFIG)
    labels = np.zeros(prepared.view.grid.shape, np.uint16)
    labels[:, 40:, :] = 1
    upper = volumes["CE"].grid.cropped((0, 0, 0), (8, 30, 64))
    cut = Volume(array=volumes["CE"].array[:, :30], grid=upper, modality="MR")
    part, why = lesion_overlap(labels, prepared, "CE", cut)
    assert part == 0
    assert "lie within it" in why


def test_the_studys_ten_pixels_on_other_grids() -> None:
    assert hit_voxels((24, 224, 224)) == 10
    assert hit_voxels((24, 448, 448)) == 40
    assert hit_voxels((8, 32, 32)) == 1
