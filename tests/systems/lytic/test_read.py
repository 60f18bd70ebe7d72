from pathlib import Path

import numpy as np
import pytest

from osteon.geometry import Grid
from osteon.records import Patient, Volume
from osteon.systems.lytic import infer
from osteon.systems.lytic import read as reading_module
from osteon.systems.lytic.bundle import LyticModel
from osteon.systems.lytic.config import SITES, BoneConfig, LyticConfig
from osteon.systems.lytic.read import read_volume
from osteon.training.bundle import ModelBundle, ModelFacts
from tests.systems.lytic.scenes import FakeBone, FakeDetector, ball, block, fake_detect

SPACING = (0.9, 0.7, 1.5)
SHAPE = (44, 84, 90)
ORIGIN = np.array([-31.0, 12.0, -205.0])
BALLS = (((20.1, 15.3, 18.2), 4.5), ((52.2, 34.4, 40.1), 7.0), ((55.5, 20.2, 16.4), 5.5))
STORED = {
    "axial": ((0, 1, 2), (1, 1, 1)),
    "feet first": ((0, 1, 2), (-1, 1, 1)),
    "upside down": ((0, 1, 2), (1, -1, 1)),
    "mirrored": ((0, 1, 2), (1, 1, -1)),
    "sagittal": ((2, 0, 1), (1, -1, 1)),
    "coronal": ((1, 0, 2), (-1, -1, 1)),
    "all turned": ((2, 1, 0), (-1, -1, -1)),
}


@pytest.fixture(autouse=True)
def _fake(monkeypatch):
    monkeypatch.setattr(infer, "detect", fake_detect)


def model(*, threshold=0.3, kind="real", detector=None):
    """Probability = sigmoid of the logit of the best score: the score itself."""
    facts = ModelFacts(
        system="lytic",
        name="fake",
        version="1",
        classes=("lytic lesion",),
        config={},
        operating_point={"threshold": threshold, "how": "given"},
        calibration={"mean": [0.0] * 4, "scale": [1.0] * 4, "weights": [1.0, 0.0, 0.0, 0.0], "intercept": 0.0},
        training_data={"kind": kind, "description": "none"},
    )
    bundle = ModelBundle(folder=Path("nowhere"), facts=facts, weights={}, metrics={}, hash="ab" * 32)
    detectors = (detector or FakeDetector(),)
    return LyticModel(
        bundle=bundle,
        config=LyticConfig(bone=BoneConfig(planes="axial")),
        bone=FakeBone(),
        detectors=detectors,
        reduction=None,
        device="cpu",
    )


def scene(balls=BALLS):
    """HU on an axial grid with a world of its own, and the true balls."""
    hu = block(SHAPE, SPACING)
    truth = [ball(hu, centre_mm=centre, radius_mm=radius, spacing=SPACING) for centre, radius in balls]
    return hu, truth


def stored(hu, order, signs):
    """The same scene with array axis i running along old axis order[i], backwards where the sign is -1."""
    array = hu.transpose(order)[tuple(slice(None, None, s) for s in signs)]
    affine = np.eye(4)
    start = np.zeros(3)  # old index (z, y, x) of the new first voxel
    for new, (old, sign) in enumerate(zip(order, signs, strict=True)):
        column = np.zeros(3)
        column[2 - old] = sign * SPACING[2 - old]
        affine[:3, 2 - new] = column
        start[old] = hu.shape[old] - 1 if sign < 0 else 0
    affine[:3, 3] = ORIGIN + start[::-1] * SPACING
    array = np.ascontiguousarray(array)
    return Volume(array=array, grid=Grid.from_affine(affine, array.shape), modality="CT")


def read(volume, using=None, **more):
    return read_volume(volume, using or model(), study_uid="1.2", series_uid="1.2.3", **more)


@pytest.mark.parametrize("way", STORED)
def test_findings_do_not_depend_on_how_the_scan_is_stored(way):
    hu, _ = scene()
    plain, turned = read(stored(hu, *STORED["axial"])), read(volume := stored(hu, *STORED[way]))
    assert len(plain.reading.findings) == len(BALLS)
    assert turned.lesion_labels.shape == turned.bone_sites.shape == volume.array.shape
    assert [f.score for f in plain.reading.findings] == sorted((f.score for f in plain.reading.findings), reverse=True)
    for a, b in zip(plain.reading.findings, turned.reading.findings, strict=True):
        assert b.centre_mm == pytest.approx(a.centre_mm, abs=1e-6)
        same = ("number", "site", "score", "volume_mm3", "longest_diameter_mm", "short_diameter_mm", "mean_value",
                "tracking_uid")  # fmt: skip
        assert [getattr(a, name) for name in same] == [getattr(b, name) for name in same]
    order, signs = STORED[way]
    flips = tuple(slice(None, None, s) for s in signs)
    for name in ("lesion_labels", "bone_sites"):
        assert np.array_equal(getattr(turned, name), getattr(plain, name).transpose(order)[flips])
    assert turned.reading.verdicts == plain.reading.verdicts


@pytest.mark.parametrize("way", STORED)
def test_findings_agree_with_their_labels_and_with_the_truth(way):
    hu, truth = scene()
    volume = stored(hu, *STORED[way])
    got = read(volume)
    labels = got.lesion_labels
    assert labels.dtype == np.uint16
    assert np.unique(labels).tolist() == [0, 1, 2, 3]
    order, signs = STORED[way]
    flips = tuple(slice(None, None, s) for s in signs)
    true = [mask.transpose(order)[flips] for mask in truth]
    matched = set()
    for number, finding in enumerate(got.reading.findings, start=1):
        assert finding.number == number
        z, y, x = np.nonzero(labels == number)
        box = finding.box
        assert (box.x0, box.x1, box.y0, box.y1, box.z0, box.z1) == (
            x.min(), x.max() + 1, y.min(), y.max() + 1, z.min(), z.max() + 1)  # fmt: skip
        assert box.z0 <= finding.key_slice < box.z1
        assert finding.volume_mm3 == pytest.approx(len(z) * np.prod(SPACING), abs=0.01)
        assert finding.mean_value == pytest.approx(volume.array[labels == number].mean(), abs=0.06)
        centre = volume.grid.to_mm(np.stack([x, y, z], axis=1)).mean(axis=0)
        assert finding.centre_mm == pytest.approx(centre, abs=1e-6)
        distances = [np.linalg.norm(centre - ORIGIN - ball_centre) for ball_centre, _ in BALLS]
        ball_number = int(np.argmin(distances))
        assert distances[ball_number] < 1
        assert (labels == number)[true[ball_number]].mean() > 0.7
        assert finding.longest_diameter_mm == pytest.approx(2 * BALLS[ball_number][1], abs=2.5)
        assert finding.short_diameter_mm <= finding.longest_diameter_mm
        matched.add(ball_number)
    assert matched == {0, 1, 2}


@pytest.mark.parametrize("way", ["axial", "feet first"])
def test_key_slice_of_an_axial_scan_is_the_largest(way):
    got = read(stored(scene()[0], *STORED[way]))
    for finding in got.reading.findings:
        areas = (got.lesion_labels == finding.number).sum(axis=(1, 2))
        assert areas[finding.key_slice] == areas.max()


def test_verdicts_sum_the_findings():
    got = read(stored(scene()[0], *STORED["axial"]))
    verdicts, findings = got.reading.verdicts, got.reading.findings
    voxel = np.prod(SPACING)
    assert verdicts["lesion_count"] == verdicts["lesion_count_5_mm"] == 3
    assert verdicts["burden_mm3"] == pytest.approx((got.lesion_labels > 0).sum() * voxel, abs=0.1)
    assert verdicts["bone_volume_mm3"] == pytest.approx((got.bone_sites > 0).sum() * voxel, abs=0.1)
    assert verdicts["burden_share_of_bone"] == pytest.approx(sum(f.volume_mm3 for f in findings)
                                                             / verdicts["bone_volume_mm3"], abs=1e-5)  # fmt: skip
    assert got.reading.provenance.model_hash == "ab" * 32
    assert got.reading.operating_point == {"threshold": 0.3, "how": "given"}
    assert {SITES[k - 1] for k in np.unique(got.bone_sites) if k} == {"rib"}
    assert {f.site for f in findings} == {"rib"}


def test_bone_without_lesions_has_no_findings():
    got = read(stored(scene(())[0], *STORED["sagittal"]), patient=Patient(age_years=61.0), warnings=("seen before",))
    assert got.reading.findings == ()
    assert not got.lesion_labels.any()
    assert got.bone_sites.any()
    assert got.reading.verdicts["lesion_count"] == got.reading.verdicts["burden_mm3"] == 0
    assert got.reading.patient.age_years == 61
    assert got.reading.warnings == ("seen before",)


def test_air_is_noted():
    got = read(stored(np.full((4, 30, 30), -1000, np.int16), *STORED["axial"]))
    assert got.reading.verdicts["burden_share_of_bone"] == 0
    assert any("No bone was found" in note for note in got.reading.warnings)


def test_threshold_keeps_what_reaches_it_and_numbers_from_one():
    volume = stored(scene()[0], *STORED["axial"])
    scores = [f.score for f in read(volume).reading.findings]
    assert len(set(scores)) == 3
    got = read(volume, model(threshold=scores[1] - 1e-4))
    assert [f.score for f in got.reading.findings] == scores[:2]
    assert np.unique(got.lesion_labels).tolist() == [0, 1, 2]
    assert read(volume, model(threshold=0.99)).reading.findings == ()


def test_a_flood_of_candidates_is_cut_and_said(monkeypatch):
    monkeypatch.setattr(reading_module, "MOST_FINDINGS", 2)
    got = read(stored(scene()[0], *STORED["axial"]))
    assert [f.number for f in got.reading.findings] == [1, 2]
    assert any(note.startswith("1 further candidate") for note in got.reading.warnings)


def test_phantom_models_thick_slices_and_tilt_are_noted():
    hu = block((4, 60, 60), (1, 1, 8))
    angle = np.deg2rad(30)
    c, s = float(np.cos(angle)), float(np.sin(angle))
    grid = Grid(shape=hu.shape, spacing_mm=(1, 1, 8), direction=((1, 0, 0), (0, c, -s), (0, s, c)))
    volume = Volume(array=hu, grid=grid, modality="CT", warnings=("of the volume",))
    notes = " ".join(read(volume, model(kind="phantom")).reading.warnings)
    for part in ("phantoms only", "30 degrees from axial", "8.0 mm", "of the volume"):
        assert part in notes
    straight = Volume(array=hu, grid=Grid(shape=hu.shape, spacing_mm=(1, 1, 1)), modality="CT")
    assert read(straight).reading.warnings == ()
