from pathlib import Path

import numpy as np
import pytest

from osteon.cohort.manifest import Case, Cohort
from osteon.errors import CohortError
from osteon.geometry import Grid
from osteon.inference.boxes import pairwise_iou
from osteon.records import Volume
from osteon.systems.lytic import evaluate as evaluate_module
from osteon.systems.lytic import infer
from osteon.systems.lytic.bundle import LyticModel
from osteon.systems.lytic.config import SITES, BoneConfig, LyticConfig
from osteon.systems.lytic.evaluate import _lesion_facts, evaluate, evaluate_case
from osteon.training.bundle import ModelBundle, ModelFacts
from tests.systems.lytic.scenes import FakeBone, FakeDetector, ball, block, fake_detect

SPACING = (0.9, 0.7, 1.5)
SHAPE = (36, 84, 78)
BIG, SMALL = ((45.0, 36.0, 36.0), 7.0), ((20.0, 18.0, 18.0), 4.5)
RIB = 1 + SITES.index("rib")


def volumes(name):
    """CT and truths of one case, (z, y, x) stored feet first: the reading must turn them."""
    hu = block(SHAPE, SPACING)
    bone = np.where(hu > 250, RIB, 0).astype(np.uint16)
    lesions = np.zeros(SHAPE, np.uint16)
    if name != "healthy":
        for number, (centre, radius) in zip((4, 9), (BIG, SMALL), strict=True):
            lesions[ball(hu, centre_mm=centre, radius_mm=radius, spacing=SPACING)] = number
    if name == "silent":
        hu[hu == -50] = 700
    if name == "surplus":
        lesions[lesions == 9] = 0
    return {"ct": hu[::-1], "bone": bone[::-1], "lesions": lesions[::-1]}


def load(cohort, case):
    if case.case == "broken":
        raise CohortError("case broken: as asked for")
    grid = Grid(shape=SHAPE, spacing_mm=SPACING, origin_mm=(0, 0, 90), direction=((1, 0, 0), (0, -1, 0), (0, 0, -1)))
    return Volume(array=volumes(case.case)["ct"][:, ::-1], grid=grid, modality="CT")


def read_truth(cohort, case, kind, *, volume):
    return volumes(case.case)[kind][:, ::-1]


@pytest.fixture(autouse=True)
def _fake(monkeypatch):
    monkeypatch.setattr(infer, "detect", fake_detect)
    monkeypatch.setattr(evaluate_module, "load_case_volume", load)
    monkeypatch.setattr(evaluate_module, "read_mask", read_truth)


def model(threshold=0.3):
    facts = ModelFacts(
        system="lytic",
        name="fake",
        version="1",
        classes=("lytic lesion",),
        config={},
        operating_point={"threshold": threshold},
        calibration={"mean": [0.0] * 4, "scale": [1.0] * 4, "weights": [1.0, 0.0, 0.0, 0.0], "intercept": 0.0},
        training_data={"kind": "real"},
    )
    bundle = ModelBundle(folder=Path("nowhere"), facts=facts, weights={}, metrics={}, hash="cd" * 32)
    return LyticModel(
        bundle=bundle,
        config=LyticConfig(bone=BoneConfig(planes="axial")),
        bone=FakeBone(),
        detectors=(FakeDetector(),),
        reduction=None,
        device="cpu",
    )


def cohort(*names, truth=("bone", "lesions"), name="ward"):
    cases = tuple(Case(case=n, patient=n, study=n, truth={k: f"{k}.nii.gz" for k in truth}) for n in names)
    return Cohort(root=Path("nowhere"), name=name, modality="CT", system="lytic", cases=cases)


def figures(evaluation):
    return {(s.title, f.name, f.group): f for s in evaluation.result.sections for f in s.figures}


POINT = "At the model's operating point"


def test_a_case_read_perfectly():
    both = cohort("sick")
    got = evaluate_case(model(), both, both.cases[0])
    assert sorted(zip(got.pairs.prediction.tolist(), got.pairs.truth.tolist(), strict=True)) == [(0, 0), (1, 1)]
    assert len(got.scores) == 2
    assert got.lesion_mm == pytest.approx([14, 9], rel=0.03)
    assert got.lesion_site == ("rib", "rib")
    assert 2 * got.bone.both[0] / (2 * got.bone.both + got.bone.missed + got.bone.extra)[0] > 0.97
    assert set(got.slice_truth) <= set(got.slice_found)
    lesions = volumes("sick")["lesions"][::-1]  # as the canonical grid has it: to the head, to the back
    seen = 0
    for k, boxes in got.slice_truth.items():
        assert len(boxes) == len(np.unique(lesions[k])) - 1
        large = boxes[(boxes[:, 2:] - boxes[:, :2] >= 8).all(axis=1)]
        overlaps = pairwise_iou(large, got.slice_found[k][0])
        assert (overlaps.max(axis=1, initial=0) > 0.6).all()
        seen += len(large)
    assert seen > 8


def test_figures_of_a_mixed_cohort():
    got = evaluate(model(), cohort("sick", "healthy", "surplus", "silent", "broken"))
    rows = {row["case"]: row for row in got.rows}
    assert {name: (r["lesions"], r["found"], r["false_positives"]) for name, r in rows.items()} == {
        "sick": (2, 2, 0), "healthy": (0, 0, 0), "surplus": (1, 1, 1), "silent": (2, 0, 0)}  # fmt: skip
    assert all(row["bone_dice"] > 0.97 for row in got.rows)
    assert got.failures == {"broken": "case broken: as asked for"}
    assert any("1 of 5 cases could not" in note for note in got.result.warnings)
    all_figures = figures(got)
    assert all_figures[POINT, "sensitivity", "all lesions"].counts == "3/5"
    assert all_figures[POINT, "false positives a scan", ""].counts == "1/4"
    assert all_figures[POINT, "PPV", ""].estimate.value == pytest.approx(3 / 4)
    assert all_figures[POINT, "sensitivity", "rib"].counts == "3/5"
    assert 0 < all_figures["Boxes on slices", "mAP@0.5", ""].estimate.value < 1
    assert all_figures["Bone segmentation", "bone dice, mean over scans", ""].estimate.n == 4


def test_a_threshold_above_all_scores_finds_nothing():
    got = evaluate(model(threshold=0.99), cohort("sick", "surplus"))
    assert [(r["found"], r["false_positives"]) for r in got.rows] == [(0, 0), (0, 0)]
    assert figures(got)[POINT, "sensitivity", "all lesions"].counts == "0/3"


def test_without_bone_truth_there_are_no_bone_figures():
    got = evaluate(model(), cohort("sick", truth=("lesions",)))
    assert not [key for key in figures(got) if key[0] == "Bone segmentation"]
    assert got.rows[0]["bone_dice"] == ""
    assert figures(got)[POINT, "sensitivity", "unknown"].counts == "2/2"


def mixed(*, known, unknown, truth=("bone",)):
    cases = (*cohort(*known).cases, *cohort(*unknown, truth=truth).cases)
    return Cohort(root=Path("nowhere"), name="ward", modality="CT", system="lytic", cases=cases)


def lesion_sections(evaluation):
    kept = [s for s in evaluation.result.sections if s.title not in ("Bone segmentation", "Cases without lesion truth")]
    return [(s.title, [(f.name, f.group, f.counts, f.estimate) for f in s.figures], s.tables, s.notes) for s in kept]


def test_cases_without_lesion_truth_count_for_bone_alone():
    got = evaluate(model(), mixed(known=("sick", "surplus"), unknown=("silent",)))
    alone = evaluate(model(), cohort("sick", "surplus"))
    assert repr(lesion_sections(got)) == repr(lesion_sections(alone))  # a nan equals itself in text only
    assert figures(got)["Bone segmentation", "bone dice, mean over scans", ""].estimate.n == 3
    assert any("1 of 3 cases have no lesion truth and are left out" in note for note in got.result.warnings)
    (section,) = [s for s in got.result.sections if s.title == "Cases without lesion truth"]
    assert "1 of 3 cases are left out" in section.notes[0]
    row = got.rows[2]
    assert (row["lesions"], row["found"], row["false_positives"]) == ("", "", "")
    assert row["bone_dice"] > 0.97
    assert list(row) == list(got.rows[0])
    assert not any("lesion truth" in note for note in alone.result.warnings)


def test_without_any_lesion_truth_there_are_no_lesion_figures():
    got = evaluate(model(), cohort("sick", truth=("bone",)))
    assert {title for title, *_ in figures(got)} == {"Bone segmentation"}
    assert got.result.sections[-1].notes == ("None of the 1 cases has lesion truth: no figure on lesions.",)


def test_a_case_without_any_truth_is_a_failure():
    got = evaluate(model(), mixed(known=("sick",), unknown=("healthy",), truth=()))
    assert "neither truth.lesions nor truth.bone" in got.failures["healthy"]
    assert len(got.rows) == 1


def test_a_cohort_that_cannot_be_read_is_an_error():
    with pytest.raises(CohortError, match="as asked for"):
        evaluate(model(), cohort("broken"))
    with pytest.raises(CohortError, match="no cases"):
        evaluate(model(), cohort())


def test_phantoms_are_named_as_such():
    assert any(note.startswith("Phantoms") for note in
               evaluate(model(), cohort("healthy", name="phantom-x")).result.warnings)  # fmt: skip


def test_progress_names_every_case():
    seen = []
    evaluate(model(), cohort("broken", "healthy"), on_case=lambda *a: seen.append(a))
    assert seen == [(1, 2, "broken"), (2, 2, "healthy")]


def test_lesion_facts_equal_counting():
    rng = np.random.default_rng(0)
    for _ in range(10):
        lesions = rng.choice([0, 0, 2, 5, 300], (6, 9, 7)).astype(np.uint16)
        bone = (rng.integers(0, len(SITES) + 1, lesions.shape) * (rng.random(lesions.shape) < 0.7)).astype(np.uint8)
        sizes, sites = _lesion_facts(lesions, bone, 1.7)
        for number, mm, site in zip((2, 5, 300), sizes, sites, strict=True):
            inside = lesions == number
            assert np.pi / 6 * mm**3 == pytest.approx(inside.sum() * 1.7)
            votes = [int((bone[inside] == k + 1).sum()) for k in range(len(SITES))]
            assert votes[SITES.index(site)] == max(votes)


def test_lesions_outside_known_bone_have_no_site():
    lesions = np.zeros((2, 3, 3), np.uint16)
    lesions[0, 1, 1] = 3
    assert _lesion_facts(lesions, np.zeros_like(lesions), 1.0)[1] == ("unknown",)
    none = _lesion_facts(np.zeros_like(lesions), np.ones_like(lesions), 1.0)
    assert none[0].shape == (0,)
    assert none[1] == ()
