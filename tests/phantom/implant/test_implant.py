from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from osteon.errors import GeometryError, InputError, UsageError
from osteon.phantom.anatomy.shapes import Ellipsoid
from osteon.phantom.implant.compose import ScanFacts, layer_of, noise_at, put_in
from osteon.phantom.implant.implant import ImplantOptions, implant
from osteon.phantom.implant.mask_bones import bone_of, pieces_of
from osteon.phantom.implant.noise import soft_blocks
from osteon.phantom.implant.values import CtValues, sequence_of
from osteon.phantom.lesions.spot import Spot
from osteon.records import Volume
from tests.phantom.implant.scans import CLEAN, GRID, NOISE_HU, SIGMA_MM, T1, scan

CENTRE = np.array([0.0, 4.0, 34.0])


def lytic(radius: float = 9.0, centre: np.ndarray = CENTRE, **changes: object) -> Spot:
    spot = Spot(
        kind="lytic lesion",
        bone="bone 1",
        site="bone",
        label=0,
        solid=Ellipsoid(centre, np.full(3, radius)),
        hu=55.0,
        edge_mm=0.4,
        strength=1.0,
        destroys_cortex=True,
        wobble_mm=0.0,
        diameter_mm=2 * radius,
    )
    return replace(spot, **changes)  # type: ignore[arg-type]


def composed(spot: Spot, *, seed: int = 0, noise: float = NOISE_HU) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The scan before and after, and the lesion's mask, (z, y, x)."""
    volume, bone = scan(seed=seed, noise=noise)
    parts, pieces = pieces_of(bone, GRID, named=False)
    blocks = soft_blocks(scan(seed=seed)[0].array, bone=bone, grid=GRID, ct=True)
    facts = ScanFacts(grid=GRID, blocks=blocks, sigma_mm=SIGMA_MM, thickness_mm=2.0, ct=True)
    rng = np.random.default_rng(seed + 1)
    holder = bone_of(pieces[0], parts, GRID, box=tuple(slice(0, n) for n in GRID.shape))
    layer = layer_of(spot, holder, CtValues(), scan=facts, rng=rng)
    assert layer is not None
    before, after = volume.array.astype(np.float32), volume.array.astype(np.float32)
    level = noise_at(facts, spot)
    level = replace(level, sd=max(noise, 1e-3)) if noise < NOISE_HU else level
    put_in(after, layer, others=np.zeros(layer.share.shape, bool), noise=level, rng=rng)
    mask = np.zeros(GRID.shape, bool)
    mask[layer.window] = layer.inside
    return before, after, mask


def test_inside_there_is_the_lesion_with_the_noise_of_the_scan() -> None:
    _, after, mask = composed(lytic())
    core = np.stack([ndimage.binary_erosion(plane, iterations=3) for plane in mask])
    assert core.sum() > 400
    assert after[core].mean() == pytest.approx(55, abs=3)
    assert after[core].std() == pytest.approx(NOISE_HU, rel=0.15)


def test_noise_neither_dips_nor_rises_at_the_edge() -> None:
    """Spread about the noiseless composition, ring by ring from the middle to well outside, over several scans."""
    clean = composed(lytic(), noise=0.0)[1]
    left = np.stack([composed(lytic(), seed=seed)[1] - clean for seed in range(5)])
    z, y, x = np.indices(GRID.shape)
    away = np.linalg.norm(GRID.to_mm(np.stack([x, y, z], -1).reshape(-1, 3)) - CENTRE, axis=1).reshape(GRID.shape)
    for low, wide in ((0, 5), (5, 2), (7, 1), (8, 1), (9, 1), (10, 1), (11, 2), (13, 2)):
        ring = (away >= low) & (away < low + wide)
        assert left[:, ring].std() == pytest.approx(NOISE_HU, rel=0.2), low


def test_the_edge_is_as_blurred_as_the_scan() -> None:
    """Without noise, across the lesion's edge in the plane: the error function of the scan's blur."""
    _, after, _ = composed(lytic(edge_mm=0.05), noise=0.0)
    k, row = (int(np.rint(value)) for value in GRID.to_index(CENTRE)[[2, 1]])
    x = GRID.origin_mm[0] + 0.9 * np.arange(144)
    share = (after[k, row] - CLEAN["marrow"]) / (55 - CLEAN["marrow"])
    near = (x > 4) & (x < 14)
    # the slice is 2 mm thick and 9 mm from the middle of the ball its radius falls by less than 0.06 mm
    wanted = 0.5 * (1 - np.array([float(_erf((v - 9.0) / (SIGMA_MM * np.sqrt(2)))) for v in x]))
    assert np.abs(share - wanted)[near].max() < 0.06


def _erf(value: float) -> float:
    from math import erf

    return erf(value)


def test_what_is_far_from_the_lesion_stays_bit_for_bit() -> None:
    before, after, mask = composed(lytic())
    far = ndimage.distance_transform_edt(~mask, sampling=GRID.spacing_mm[::-1]) > 6
    assert (before[far] == after[far]).all()
    assert (before != after).sum() < 4 * mask.sum()


def test_the_mask_has_the_volume_of_the_ball() -> None:
    _, _, mask = composed(lytic(radius=8.0))
    assert mask.sum() * GRID.voxel_mm3 == pytest.approx(4 / 3 * np.pi * 8**3, rel=0.04)


def test_cortex_goes_where_it_is_destroyed_and_stays_where_it_is_not() -> None:
    side = CENTRE + np.array([21.0, 0, 0])
    gone, kept = (
        composed(lytic(radius=7.0, centre=side, destroys_cortex=destroyed), noise=0.0) for destroyed in (True, False)
    )
    k, row = (int(np.rint(value)) for value in GRID.to_index(CENTRE)[[2, 1]])
    columns = slice(int(GRID.to_index(side)[0]), int(GRID.to_index(side)[0]) + 8)
    assert gone[0][k, row, columns].max() > 400  # cortex before
    assert gone[1][k, row, columns].max() < 130
    assert kept[1][k, row, columns].max() > 0.75 * kept[0][k, row, columns].max()
    assert not gone[2][k, row, columns.stop :].any()  # nothing outside the bone


def test_a_whole_run_says_what_it_did() -> None:
    volume, bone = scan()
    options = ImplantOptions(lesions=4, seed=3)
    made = implant(volume, bone, options=options, named=False)
    again = implant(volume, bone, options=options, named=False)
    np.testing.assert_array_equal(made.volume.array, again.volume.array)
    assert made.volume.array.dtype == volume.array.dtype
    assert 1 <= len(made.truth) + len(made.unseen) <= 4
    assert {one.number for one in made.truth} == set(np.unique(made.lesions)) - {0}
    for one in made.truth:
        inside = made.lesions == one.number
        assert bone[inside].all()
        assert inside.sum() * GRID.voxel_mm3 == pytest.approx(one.volume_mm3, abs=0.01)
        assert GRID.contains(one.centre_mm)
        change = (made.volume.array.astype(float) - volume.array)[inside].mean()
        assert change < -40  # marrow of 190 HU
        assert made.noise_sd[one.number] == pytest.approx(NOISE_HU, rel=0.2)
    assert made.sharpness.sigma_mm == pytest.approx(SIGMA_MM, rel=0.15)
    other = implant(volume, bone, options=replace(options, seed=4), named=False)
    assert (other.volume.array != made.volume.array).any()


@pytest.mark.parametrize(("kind", "brighter"), [("blastic metastasis", True), ("lytic metastasis", False)])
def test_metastases_are_dense_or_not(kind: str, brighter: bool) -> None:
    volume, bone = scan()
    made = implant(volume, bone, options=ImplantOptions(kind=kind, lesions=3, seed=1), named=False)
    assert made.truth
    assert {one.kind for one in (*made.truth, *made.unseen)} == {kind}
    for one in made.truth:
        inside = made.lesions == one.number
        assert bool((made.volume.array.astype(float) - volume.array)[inside].mean() > 0) == brighter


def test_mr_lesions_are_as_dark_as_muscle_on_t1() -> None:
    volume, bone = scan(values=T1, noise=8.0, modality="MR")
    options = ImplantOptions(kind="lytic metastasis", lesions=3, seed=2, sequence=sequence_of("t1", {}))
    made = implant(volume, bone, options=options, named=False)
    assert made.truth
    inside = np.concatenate([made.volume.array[made.lesions == one.number] for one in made.truth])
    assert np.median(inside) < 330  # marrow 420, muscle 210
    assert made.volume.array.min() >= 0


def test_bad_input_is_told() -> None:
    volume, bone = scan()
    plain = ImplantOptions()
    with pytest.raises(InputError, match="bone mask: no bone of 300 mm3 or more"):
        implant(volume, np.zeros_like(bone), options=plain)
    with pytest.raises(GeometryError, match=r"bone mask of .* voxels, scan of .* one grid; resample"):
        implant(volume, bone[:-1], options=plain)
    with pytest.raises(GeometryError, match="vertebra mask of"):
        implant(volume, bone, options=plain, vertebrae=bone[:, :-1])
    tiny = Volume(array=volume.array[:, :20, :20], grid=GRID.cropped((0, 0, 0), (24, 20, 20)), modality="CT")
    with pytest.raises(InputError, match="scan of 20 x 20 pixels and 24 slices: expected at least"):
        implant(tiny, bone[:, :20, :20], options=plain)
    with pytest.raises(UsageError, match="an MR scan needs a sequence, a CT scan has none"):
        implant(Volume(array=volume.array, grid=GRID, modality="MR"), bone, options=plain)
    with pytest.raises(UsageError, match="lesion kind 'wart': expected one of lytic, metastasis"):
        ImplantOptions(kind="wart")
    with pytest.raises(UsageError, match="0 lesions, seed 0"):
        ImplantOptions(lesions=0)


def test_soft_tissue_taken_for_bone_is_none_and_marrow_like_the_lesion_gives_no_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kidney, mask = scan(values={**CLEAN, "cortex": 200.0, "marrow": 180.0})
    with pytest.raises(InputError, match="no bone of 300 mm3"):
        implant(kidney, mask, options=ImplantOptions(), named=False)
    table, mask = scan(values={**CLEAN, "soft": -1000.0})
    with pytest.raises(InputError, match="no bone of 300 mm3"):
        implant(table, mask, options=ImplantOptions(), named=False)
    same, mask = scan(values={**CLEAN, "cortex": 900.0, "marrow": 52.0})
    monkeypatch.setattr("osteon.phantom.implant.implant.draw_spot", lambda kind, bone, rng: lytic(radius=5.0))
    with pytest.raises(InputError, match="no place for a lytic lesion in 1 bones after 12 attempts"):
        implant(same, mask, options=ImplantOptions(lesions=1, seed=8), named=False)
