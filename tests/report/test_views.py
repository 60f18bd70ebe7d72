from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from osteon.errors import GeometryError
from osteon.geometry import Grid
from osteon.records import Box, Volume
from osteon.report.views import body_spans, crop_spans, cut_plane, make_scene, place_in_plane, whole_spans
from tests.readings import make_example, make_grid

# Every way an array can lie along the patient's axes: which axis, in which direction.
ORIENTATIONS = [
    np.eye(3)[list(order)] * np.array(signs)[:, None]
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]


def _patient_volume(axes: np.ndarray) -> Volume:
    """A volume whose every voxel holds its own patient position: 100 x + 10 y + z in whole millimetres."""
    grid = Grid(shape=(4, 5, 6), origin_mm=(20.0, 30.0, 40.0), direction=tuple(tuple(row) for row in axes.tolist()))  # type: ignore[arg-type]
    z, y, x = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    place = grid.to_mm(np.stack([x, y, z], axis=-1))
    return Volume(array=np.rint(place @ [100, 10, 1]).astype(np.int16), grid=grid, modality="CT")


@pytest.mark.parametrize("axes", ORIENTATIONS, ids=range(len(ORIENTATIONS)))
def test_planes_show_the_patient_as_radiologists_do(axes: np.ndarray) -> None:
    volume = _patient_volume(axes)
    scene = make_scene(volume, np.zeros(volume.grid.shape, np.uint16), None)
    # x grows to the left, y to the back, z to the head: their weights tell how values must change over a picture.
    for axis, (down, right) in ((0, (10, 100)), (1, (-1, 100)), (2, (-1, 10))):
        pixels = cut_plane(scene, axis, 1).pixels.astype(int)
        assert (np.diff(pixels, axis=0) == down).all()
        assert (np.diff(pixels, axis=1) == right).all()
    assert not scene.oblique


@pytest.mark.parametrize("axes", ORIENTATIONS, ids=range(len(ORIENTATIONS)))
def test_boxes_and_key_slices_stay_on_their_voxels(axes: np.ndarray) -> None:
    volume = _patient_volume(axes)
    labels = np.zeros(volume.grid.shape, np.uint16)
    labels[1:3, 2:4, 1:5] = 7
    labels[2, 2, 1] = 0
    scene = make_scene(volume, labels, labels > 0)
    box = Box(x0=1, y0=2, x1=5, y1=4, z0=1, z1=3)
    spans = scene.spans(box)
    found = [(int(index.min()), int(index.max()) + 1) for index in np.nonzero(scene.labels)]
    assert list(spans) == found
    finding = replace(make_example(1).reading.findings[0], number=7, box=box, key_slice=1)
    for axis in range(3):
        index = scene.key_index(finding) if axis == scene.slice_axis else scene.best_index(finding, axis)
        plane = cut_plane(scene, axis, index)
        rows, columns = np.nonzero(plane.labels)
        top, bottom, left, right = place_in_plane(scene, axis, spans)
        assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (top, bottom, left, right)
        if axis == scene.slice_axis:
            assert np.count_nonzero(plane.labels) == 8


def test_crops_keep_boxes_in_place() -> None:
    example = make_example(3)
    scene = make_scene(example.volume, example.labels, None)
    for finding, axis in itertools.product(example.reading.findings, range(3)):
        spans = scene.spans(finding.box)
        z, y, x = ((low + high) / 2 for low, high in spans)
        window = crop_spans(scene, (z, y, x), 18.0)
        plane = cut_plane(scene, axis, scene.best_index(finding, axis), window)
        rows, columns = np.nonzero(plane.labels == finding.number)
        top, bottom, left, right = place_in_plane(scene, axis, spans, window)
        assert top <= rows.min()
        assert rows.max() < bottom
        assert left <= columns.min()
        assert columns.max() < right
        assert (plane.pixels[plane.labels == finding.number] == 20 + finding.number).all()


def test_crops_stay_inside_the_volume() -> None:
    scene = make_scene(make_example(0).volume, np.zeros((12, 40, 48), np.uint16), None)
    assert crop_spans(scene, (0, 0, 0), 8.0) == ((0, 3), (0, 9), (0, 10))
    assert crop_spans(scene, (12, 40, 48), 8.0) == ((9, 12), (31, 40), (38, 48))
    assert crop_spans(scene, (5, 5, 5), 1e4) == whole_spans(scene)


def test_findings_without_voxels_are_cut_through_the_middle_of_their_box() -> None:
    example = make_example(1)
    scene = make_scene(example.volume, np.zeros_like(example.labels), None)
    finding = replace(example.reading.findings[0], box=Box(x0=10, y0=20, x1=20, y1=24, z0=2, z1=5), key_slice=3)
    assert [scene.best_index(finding, axis) for axis in range(3)] == [3, 22, 15]


def test_what_does_not_fit_is_refused() -> None:
    example = make_example(1)
    with pytest.raises(GeometryError, match="bone mask"):
        make_scene(example.volume, example.labels, example.bone[1:])
    with pytest.raises(GeometryError, match="lesion labels"):
        make_scene(example.volume, example.labels[:, 1:], None)
    scene = make_scene(example.volume, example.labels, None)
    with pytest.raises(GeometryError, match="outside"):
        scene.spans(Box(x0=100, y0=0, x1=101, y1=1, z0=0, z1=1))


def test_oblique_acquisitions_are_noticed() -> None:
    example = make_example(0, grid=make_grid(oblique=True))
    assert make_scene(example.volume, example.labels, None).oblique


def test_the_body_is_shown_without_air_and_table() -> None:
    array = np.full((1, 100, 120), -1000, np.int16)
    array[0, 20:60, 30:90] = 40
    array[0, 80:82, 10:110] = 300  # a table top, thinner than the opening
    volume = Volume(array=array, grid=Grid(shape=array.shape, spacing_mm=(2.0, 2.0, 2.0)), modality="CT")
    scene = make_scene(volume, np.zeros(array.shape, np.uint16), None)
    assert body_spans(scene, 0, keep=((0, 1), (30, 31), (40, 41))) == ((0, 1), (14, 66), (24, 96))
    assert body_spans(scene, 0, keep=((0, 1), (70, 75), (40, 41)))[1] == (14, 81)
    air = make_scene(replace(volume, array=np.full_like(array, -1000)), scene.labels, None)
    assert body_spans(air, 0, keep=((0, 1), (0, 1), (0, 1))) == whole_spans(air)
