from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from osteon.errors import GeometryError
from osteon.geometry import Grid, closest_lps_axes, reorient_to_lps


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    """Any grid: turned by any rotation, axes permuted and flipped, anisotropic."""
    number = st.floats(-1, 1, allow_subnormal=False)
    quaternion = draw(st.tuples(number, number, number, number).filter(lambda q: np.linalg.norm(q) > 0.1))
    axes = Rotation.from_quat(quaternion).as_matrix()
    axes = axes[:, draw(st.permutations([0, 1, 2]))] * draw(st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3))
    length = st.floats(0.1, 10)
    place = st.floats(-1000, 1000)
    return Grid(
        shape=draw(st.tuples(*[st.integers(1, 5)] * 3)),
        spacing_mm=draw(st.tuples(length, length, length)),
        origin_mm=draw(st.tuples(place, place, place)),
        direction=tuple(tuple(float(v) for v in row) for row in axes),
    )


points = st.tuples(*[st.floats(-500, 500)] * 3)


@given(grids(), points)
def test_index_and_millimetres_are_inverse(grid: Grid, point: tuple[float, float, float]) -> None:
    assert np.allclose(grid.to_mm(grid.to_index(point)), point, atol=1e-7)
    assert np.allclose(grid.to_index(grid.to_mm(point)), point, atol=1e-6)


@given(grids(), points)
def test_millimetres_are_those_of_simpleitk_and_of_the_affine(grid: Grid, index: tuple[float, float, float]) -> None:
    image = sitk.Image(*(int(n) for n in grid.shape[::-1]), sitk.sitkUInt8)
    image.SetOrigin(grid.origin_mm)
    image.SetSpacing(grid.spacing_mm)
    image.SetDirection(np.ravel(grid.direction).tolist())
    assert np.allclose(image.TransformContinuousIndexToPhysicalPoint(index), grid.to_mm(index), atol=1e-6)
    assert np.allclose((grid.affine @ [*index, 1])[:3], grid.to_mm(index), atol=1e-6)


@given(grids())
def test_affine_round_trip(grid: Grid) -> None:
    again = Grid.from_affine(grid.affine, grid.shape)
    assert np.allclose(again.affine, grid.affine, atol=1e-9)
    assert again.voxel_mm3 == pytest.approx(abs(np.linalg.det(grid.affine[:3, :3])))


TIE = Grid(
    shape=(1, 1, 1), spacing_mm=(1.0, 1.0, 1.0), origin_mm=(0.0, 0.0, 0.0),
    direction=((9 / 17, 8 / 17, -12 / 17), (-8 / 17, -9 / 17, -12 / 17), (12 / 17, -12 / 17, 1 / 17)),
)  # fmt: skip


@settings(deadline=None)
@example(TIE)
@given(grids())
def test_reorienting_keeps_every_voxel_in_its_place(grid: Grid) -> None:
    array = np.arange(np.prod(grid.shape)).reshape(grid.shape)
    turned, turned_grid = reorient_to_lps(array, grid)
    assert turned.shape == turned_grid.shape
    place = {int(array[z, y, x]): grid.to_mm((x, y, z)) for z, y, x in np.ndindex(array.shape)}
    for z, y, x in np.ndindex(turned.shape):
        assert np.allclose(turned_grid.to_mm((x, y, z)), place[int(turned[z, y, x])], atol=1e-6)
    order, signs = closest_lps_axes(turned_grid)
    assert (order, signs) == ((0, 1, 2), (1, 1, 1))


@given(grids())
def test_a_crop_keeps_every_voxel_in_its_place(grid: Grid) -> None:
    start = tuple(n // 3 for n in grid.shape)
    crop = grid.cropped(start, grid.shape)
    assert crop.shape == tuple(n - s for n, s in zip(grid.shape, start, strict=True))
    assert np.allclose(crop.to_mm((1, 0, 0)), grid.to_mm((start[2] + 1, start[1], start[0])), atol=1e-6)


@given(grids(), st.tuples(*[st.floats(0.2, 5)] * 3))
def test_resizing_keeps_the_outer_corner(grid: Grid, spacing_mm: tuple[float, float, float]) -> None:
    resized = grid.resized(spacing_mm)
    assert resized.spacing_mm == spacing_mm
    assert np.allclose(resized.to_mm((-0.5, -0.5, -0.5)), grid.to_mm((-0.5, -0.5, -0.5)), atol=1e-6)
    for new, old, step in zip(resized.size_mm, grid.size_mm, spacing_mm, strict=True):
        assert new == pytest.approx(step) or abs(new - old) <= step / 2 + 1e-6


def test_contains_reaches_to_the_outer_edges() -> None:
    grid = Grid(shape=(2, 3, 4), spacing_mm=(1, 2, 3), origin_mm=(10, 0, 0))
    inside = grid.contains([(9.5, -1, -1.5), (13.5, 5, 4.5), (9.4, 0, 0), (13.6, 0, 0), (10, 0, 4.6)])
    assert inside.tolist() == [True, True, False, False, False]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shape": (0, 1, 1)}, "positive lengths"),
        ({"shape": (1, 1)}, "three positive"),
        ({"spacing_mm": (1, 1, 0)}, "positive lengths"),
        ({"spacing_mm": (1, 1, float("nan"))}, "finite"),
        ({"origin_mm": (1, float("inf"), 0)}, "finite"),
        ({"direction": ((1, 0, 0.3), (0, 1, 0), (0, 0, 1))}, "orthonormal"),
        ({"direction": ((2, 0, 0), (0, 1, 0), (0, 0, 1))}, "orthonormal"),
    ],
)
def test_impossible_grids_cannot_be_made(change: dict[str, tuple[float, ...]], words: str) -> None:
    with pytest.raises(GeometryError, match=words):
        Grid(**{"shape": (1, 1, 1), **change})


@pytest.mark.parametrize(
    ("affine", "words"),
    [(np.eye(3), "4 x 4"), (np.full((4, 4), np.nan), "finite"), (np.diag([1.0, 0, 1, 1]), "no length")],
)
def test_impossible_affines(affine: np.ndarray, words: str) -> None:
    with pytest.raises(GeometryError, match=words):
        Grid.from_affine(affine, (1, 1, 1))
