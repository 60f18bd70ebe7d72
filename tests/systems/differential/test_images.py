from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from osteon.errors import CohortError, InputError
from osteon.formats.nifti import write_nifti
from osteon.records import Volume
from osteon.systems.differential.images import (
    cohort_pictures,
    decode,
    disease_slices,
    gather_pictures,
    read_lesions,
    resize,
    scan_jpegs,
    slice_jpeg,
)
from tests.cohort.make import grid_of, write, write_case
from tests.systems.differential.make import TINY, scan, write_cohort_of

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = replace(TINY, field_mm=0.0, window_hu=(-100.0, 400.0), jpeg_quality=100)


def test_slices_that_show_the_disease_are_taken_and_thinned_out_evenly() -> None:
    lesions = np.zeros((20, 10, 10), dtype=np.uint16)
    lesions[3:15, :3, :3] = 2
    lesions[17, 0, 0] = 1
    config = replace(TINY, min_lesion_mm2=2.0, max_slices=0)
    assert disease_slices(lesions, pixel_mm2=0.25, config=config).tolist() == list(range(3, 15))
    assert disease_slices(lesions, pixel_mm2=0.2, config=config).tolist() == []
    assert disease_slices(lesions, pixel_mm2=2.0, config=config).tolist() == [*range(3, 15), 17]
    thinned = disease_slices(lesions, pixel_mm2=0.25, config=replace(config, max_slices=4))
    assert thinned.tolist() == [3, 7, 10, 14]


def test_the_window_becomes_256_greys_and_another_library_reads_the_jpeg() -> None:
    plane = np.repeat(np.linspace(-200, 500, 36)[None], 30, axis=0)
    data = slice_jpeg(plane, np.zeros(plane.shape), spacing_mm=(1, 1), config=WHOLE)
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "L", (36, 30))
        read = np.asarray(image).astype(int)
    expected = np.clip((plane + 100) / 500, 0, 1) * 255
    assert np.abs(read - expected).max() <= 3
    assert np.abs(decode(data).astype(int) - read).max() <= 1


def test_a_lower_quality_loses_more() -> None:
    plane = np.random.default_rng(0).normal(100, 100, (40, 40))
    lost = []
    for quality in (95, 30):
        config = replace(WHOLE, jpeg_quality=quality)
        grey = np.clip((plane + 100) / 500, 0, 1) * 255
        picture = decode(slice_jpeg(plane, plane > 1e9, spacing_mm=(1, 1), config=config))
        lost.append(float(np.abs(picture - grey).mean()))
    assert lost[1] > 3 * lost[0]


def test_the_field_follows_the_lesions_and_is_filled_with_air_beyond_the_slice() -> None:
    plane = np.full((60, 60), 50.0)
    plane[3:7, 50:54] = 400
    lesion = np.zeros(plane.shape, dtype=bool)
    lesion[3:7, 50:54] = True
    config = replace(WHOLE, field_mm=20.0)
    picture = decode(slice_jpeg(plane, lesion, spacing_mm=(1.0, 2.0), config=config))
    assert picture.shape == (10, 20)
    assert np.argwhere(picture > 240).mean(axis=0) == pytest.approx((5.5, 10.5), abs=1)
    assert picture[0].max() < 10  # above the slice: air
    middle = decode(slice_jpeg(plane, lesion & False, spacing_mm=(1.0, 1.0), config=config))
    assert middle.shape == (20, 20)
    assert middle.std() < 1


def test_resizing_keeps_what_there_is() -> None:
    grey = np.zeros((64, 48), dtype=np.uint8)
    grey[:32] = 200
    for side in (16, 96):
        small = resize(grey, side)
        assert small.shape == (side, side)
        assert small[: side // 4].min() > 195
        assert small.mean() == pytest.approx(100, abs=6)


def test_a_jpeg_that_is_none_any_more_is_an_error() -> None:
    with pytest.raises(InputError, match="no JPEG any more"):
        decode(b"")


def test_the_same_slices_whatever_the_orientation_of_the_volume() -> None:
    hu = scan(1, "myeloma")
    lesions = np.zeros(hu.shape, dtype=np.uint16)
    lesions[1:3, 16:24, 16:24] = 1
    grid = grid_of(hu.shape)
    volume = Volume(array=hu, grid=grid, modality="CT")
    direction = ((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 1.0))
    turned = Volume(
        array=hu[:, ::-1, ::-1],
        grid=replace(grid, direction=direction, origin_mm=tuple(grid.to_mm((39, 39, 0)))),
        modality="CT",
    )
    first = scan_jpegs(volume, lesions, config=TINY)
    second = scan_jpegs(turned, lesions[:, ::-1, ::-1], config=TINY)
    assert first[0].tolist() == second[0].tolist() == [1, 2]
    assert first[1] == second[1]


def test_a_cohorts_pictures_are_cached_and_known_by_their_fingerprint(tmp_path: Path) -> None:
    cohort = write_cohort_of(tmp_path / "cohort", patients=2)
    pictures = cohort_pictures(cohort, tmp_path / "cache", config=TINY, side=32)
    assert pictures.pixels.shape == (6, 32, 32)
    assert pictures.names == ("p0#1", "p0#2", "p0#3", "p1#1", "p1#2", "p1#3")
    assert pictures.label.tolist() == [1, 1, 1, 0, 0, 0]
    stored = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.jpg")}
    again = cohort_pictures(cohort, tmp_path / "cache", config=TINY, side=32)
    assert again.fingerprint == pictures.fingerprint
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.jpg")} == stored
    other = cohort_pictures(cohort, tmp_path / "cache", config=replace(TINY, jpeg_quality=40), side=32)
    assert other.fingerprint != pictures.fingerprint
    some = pictures.take(pictures.case == "p1")
    assert some.names == pictures.names[3:]


def test_cases_without_diagnosis_mask_or_visible_lesion_are_named(tmp_path: Path) -> None:
    hu = scan(1, "myeloma")
    unknown = write(tmp_path / "a", [write_case(tmp_path / "a", "x", hu, labels={"diagnosis": "osteitis"})])
    with pytest.raises(
        CohortError, match="case x: label 'diagnosis' is 'osteitis'; expected one of metastasis, myeloma"
    ):
        cohort_pictures(unknown, tmp_path / "cache", config=TINY, side=32)
    bare = write_case(tmp_path / "b", "y", hu, lesion=False, labels={"diagnosis": "myeloma"})
    with pytest.raises(CohortError, match="case y: no 'lesions' truth"):
        cohort_pictures(write(tmp_path / "b", [bare]), tmp_path / "cache", config=TINY, side=32)
    seen = write_cohort_of(tmp_path / "c", patients=1)
    with pytest.raises(CohortError, match="no slice shows a lesion of 1000 mm2"):
        cohort_pictures(seen, tmp_path / "cache", config=replace(TINY, min_lesion_mm2=1000.0), side=32)


def test_a_mask_on_another_grid_is_refused(tmp_path: Path) -> None:
    hu = scan(1, "myeloma")
    volume = Volume(array=hu, grid=grid_of(hu.shape), modality="CT")
    write_nifti(tmp_path / "m.nii.gz", np.zeros((4, 40, 40), dtype=np.uint8), grid_of((4, 40, 40)))
    with pytest.raises(InputError, match=r"lesion mask has grid \(4, 40, 40\).*resample the mask"):
        read_lesions(tmp_path / "m.nii.gz", volume)


def test_names_of_pictures_are_those_of_splits_by_image() -> None:
    picture = np.zeros((4, 4), dtype=np.uint8)
    assert gather_pictures([(picture, 1, "p", "case", 7)]).names == ("case#7",)
