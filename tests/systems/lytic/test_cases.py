import os
from dataclasses import replace

import numpy as np
import pytest

from osteon.cohort.manifest import Case, Cohort
from osteon.errors import CohortError
from osteon.formats.nifti import read_nifti, write_nifti
from osteon.phantom.cohort import PhantomOptions, make_cohort
from osteon.systems.lytic.cases import (
    _fingerprint,
    bone_labels,
    lesion_numbers,
    load_case_volume,
    prepare_cases,
    read_mask,
    voxel_fingerprint,
)
from osteon.systems.lytic.config import SITES


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    return make_cohort(
        PhantomOptions(patients=1, seed=3, range_mm=(185.0, 210.0), mean_lesions=400), tmp_path_factory.mktemp("cohort")
    )


def with_truth(cohort, **truth):
    return replace(cohort, cases=(replace(cohort.cases[0], truth=truth),))


@pytest.mark.parametrize("one", [1, 7, 255])
def test_a_mask_of_one_value_is_bone_of_unknown_site(one):
    labels, has_sites = bone_labels(np.array([[0, one], [one, 0]], dtype=np.uint8), case="a")
    assert labels.tolist() == [[0, 1], [1, 0]]
    assert not has_sites


def test_sites_are_kept():
    labels, has_sites = bone_labels(np.array([0.0, 2.0, float(len(SITES))]), case="a")
    assert labels.tolist() == [0, 2, len(SITES)]
    assert labels.dtype == np.uint8
    assert has_sites


@pytest.mark.parametrize(("values", "named"), [([0, 1, 255], "255"), ([0, 3, len(SITES) + 1], "11"), ([1, 1.5], "1.5")])
def test_other_bone_values_are_named_with_what_is_expected(values, named):
    with pytest.raises(CohortError, match=rf"case a: .*'{named}'.*1 to 10"):
        bone_labels(np.array(values), case="a")


@pytest.mark.parametrize("value", [70_000.0, 0.5])
def test_lesion_numbers_that_do_not_fit_are_refused(value):
    with pytest.raises(CohortError, match="case a: lesion mask"):
        lesion_numbers(np.array([0.0, value]), case="a")


@pytest.mark.parametrize("value", [np.nan, -1.0])
def test_masks_with_what_is_no_label_are_refused(phantom, tmp_path, value):
    case = phantom.cases[0]
    volume = load_case_volume(phantom, case)
    mask = np.zeros(volume.grid.shape, dtype=np.float32)
    mask[0, 0, 0] = value
    mask[0, 0, 1] = 0.5
    write_nifti(tmp_path / "bad.nii.gz", mask, volume.grid)
    other = Cohort(root=tmp_path, name="c", modality="CT", system="lytic", cases=())
    bad = Case(case="a", patient="a", study="ct", truth={"bone": "bad.nii.gz"})
    with pytest.raises(CohortError, match="case a: bone mask"):
        read_mask(other, bad, "bone", volume=volume)


def test_what_is_known_is_said(phantom, tmp_path):
    truth = phantom.cases[0].truth
    both = prepare_cases(phantom, tmp_path)[0]
    none = prepare_cases(with_truth(phantom), tmp_path)[0]
    bone = prepare_cases(with_truth(phantom, bone=truth["bone"]), tmp_path)[0]
    assert (both.has_bone, both.has_lesions, both.has_sites) == (True, True, True)
    assert (bone.has_bone, bone.has_lesions, bone.has_sites) == (True, False, True)
    assert (none.has_bone, none.has_lesions, none.has_sites) == (False, False, False)
    assert not none.sites.any()
    expected = read_nifti(phantom.truth_path(phantom.cases[0], "bone")).array
    assert np.array_equal(both.sites, expected)
    assert both.voxels == none.voxels
    assert both.fingerprint != none.fingerprint


def test_the_cached_copy_follows_study_masks_and_place(phantom, tmp_path):
    case = phantom.cases[0]
    before = _fingerprint(phantom, case)
    assert _fingerprint(phantom, case) == before
    link = tmp_path / "link"
    link.symlink_to(phantom.root)
    assert _fingerprint(replace(phantom, root=link), case) == before
    seen = {before}
    for path in (next(phantom.study_path(case).iterdir()), phantom.truth_path(case, "lesions")):
        stat = path.stat()
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 10_000_000))
        seen.add(_fingerprint(phantom, case))
    assert len(seen) == 3


def test_another_root_is_another_copy(tmp_path):
    case = Case(case="a", patient="a", study="ct")
    prints = set()
    for name in ("one", "two"):
        (tmp_path / name / "ct").mkdir(parents=True)
        cohort = Cohort(root=tmp_path / name, name="c", modality="CT", system="lytic", cases=(case,))
        prints.add(_fingerprint(cohort, case))
    assert len(prints) == 2


def test_voxels_alone_make_the_voxel_fingerprint():
    hu = np.random.default_rng(0).integers(-900, 900, (3, 4, 5)).astype(np.int16)
    known = voxel_fingerprint(hu)
    assert len(known) == 16
    assert voxel_fingerprint(hu.astype(np.float32)) == known
    assert voxel_fingerprint(np.asfortranarray(hu)) == known
    assert voxel_fingerprint(hu.reshape(4, 3, 5)) != known
    changed = hu.copy()
    changed[1, 1, 1] += 1
    assert voxel_fingerprint(changed) != known
