from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from osteon.cohort.manifest import read_cohort
from osteon.errors import UsageError
from osteon.formats.nifti import read_nifti
from osteon.phantom.centres import CT_CENTRES, as_drawn, ct_centre, draw_centre_scanner
from osteon.phantom.cohort import PhantomOptions, make_cohort
from osteon.phantom.ct.scan import CtScan, LesionTruth, draw_ct_scan
from osteon.phantom.readers import LesionReader

if TYPE_CHECKING:
    from pathlib import Path


def scanners(name: str, *, profile: str = "full") -> list[object]:
    centre = ct_centre(name)
    return [draw_centre_scanner(np.random.default_rng(k), profile=profile, centre=centre) for k in range(150)]


def test_centres_differ_in_makers_dose_slices_and_kernels() -> None:
    a, b, c = (scanners(name) for name in "abc")
    assert {one.manufacturer for one in b} == {"GE MEDICAL SYSTEMS"}
    assert {one.manufacturer for one in c} == {"Philips", "TOSHIBA"}
    assert len({one.manufacturer for one in a}) == 4
    assert {(one.thickness_mm, one.spacing_mm) for one in a} == {(2.0, 1.0)}
    assert {(one.thickness_mm, one.spacing_mm) for one in b} == {(2.5, 1.25)}
    assert {(one.thickness_mm, one.spacing_mm) for one in c} == {(3.0, 2.0)}
    dose = [np.median([one.exposure_mas for one in group]) for group in (a, b, c)]
    assert dose[1] / dose[0] == pytest.approx(1.6, rel=0.12)
    assert dose[2] / dose[0] == pytest.approx(0.6, rel=0.12)
    sharp = [np.mean([one.edge_gain > 0 for one in group]) for group in (a, b, c)]
    assert sharp[0] > sharp[1] > sharp[2]


def test_more_dose_and_thicker_slices_are_quieter() -> None:
    quiet, loud = (np.median([one.noise_hu for one in scanners(name) if one.edge_gain > 0]) for name in ("b", "c"))
    assert loud > 1.2 * quiet


def test_small_profiles_keep_slices_without_gaps() -> None:
    for name in CT_CENTRES:
        assert all(one.spacing_mm <= one.thickness_mm + 1e-9 for one in scanners(name, profile="small"))


def with_balls() -> CtScan:
    """A scan whose mask is replaced by eight balls of 3 to 9 mm, all in one large bone."""
    scan = draw_ct_scan(np.random.default_rng(4), profile="small", range_mm=(500.0, 540.0), mean_lesions=0.0)
    grid = scan.volume.grid
    z, y, x = (n * s for n, s in zip(np.indices(grid.shape), grid.spacing_mm[::-1], strict=True))
    lesions = np.zeros(grid.shape, np.uint16)
    truth = []
    for number in range(1, 9):
        centre, radius = 40.0 + 25 * number, 2.5 + 0.25 * number
        lesions[np.sqrt((x - centre) ** 2 + (y - 150) ** 2 + (z - 20) ** 2) < radius] = number
        volume = float((lesions == number).sum() * grid.voxel_mm3)
        truth.append(
            LesionTruth(
                number=number,
                kind="lytic lesion",
                bone="T1",
                site="vertebra",
                label=8,
                diameter_mm=2 * radius,
                volume_mm3=volume,
                centre_mm=(0, 0, 0),
            )
        )
    return replace(scan, lesions=lesions, sites=np.ones_like(scan.sites), truth=tuple(truth), unseen=())


def test_an_annotator_misses_lesions_and_draws_wide_or_tight() -> None:
    scan = with_balls()
    wide = as_drawn(scan, LesionReader(name="w", half_volume_mm3=1e-3, margin_mm=1.5), case="p", seed=0)
    tight = as_drawn(scan, LesionReader(name="t", half_volume_mm3=1e-3, margin_mm=-1.2), case="p", seed=0)
    assert wide.truth == tight.truth == scan.truth
    assert (wide.lesions > 0).sum() > (scan.lesions > 0).sum() > (tight.lesions > 0).sum()
    assert set(np.unique(tight.lesions)) == set(np.unique(scan.lesions))
    assert (wide.lesions[scan.lesions > 0] == scan.lesions[scan.lesions > 0]).all()
    careless = as_drawn(scan, LesionReader(name="c", half_volume_mm3=180.0, margin_mm=0.0), case="p", seed=0)
    kept = {one.number for one in careless.truth}
    assert 0 < len(kept) < len(scan.truth)
    assert set(np.unique(careless.lesions)) == kept | {0}
    assert len(careless.truth) + len(careless.unseen) == len(scan.truth) + len(scan.unseen)
    assert (careless.lesions == np.where(np.isin(scan.lesions, sorted(kept)), scan.lesions, 0)).all()


def test_a_cohort_of_another_centre_says_so_and_is_another_study(tmp_path: Path) -> None:
    options = {"patients": 1, "seed": 3, "range_mm": (500.0, 520.0), "mean_lesions": 0.0}
    for name in ("a", "c"):
        make_cohort(PhantomOptions(centres=name, **options), tmp_path / name)  # type: ignore[arg-type]
    a, c = (read_cohort(tmp_path / name) for name in ("a", "c"))
    assert (a.cases[0].centre, c.cases[0].centre) == ("a", "c")
    spacing = [read_nifti(one.truth_path(one.cases[0], "bone")).grid.spacing_mm for one in (a, c)]
    assert spacing[0] != spacing[1]
    import pydicom

    files = [pydicom.dcmread(one.study_path(one.cases[0]) / "00001.dcm") for one in (a, c)]
    assert files[0].StudyInstanceUID != files[1].StudyInstanceUID
    assert files[1].Manufacturer in CT_CENTRES["c"].makers


def test_there_is_no_centre_z() -> None:
    with pytest.raises(UsageError, match="centre 'z': expected one of a, b, c"):
        ct_centre("z")
