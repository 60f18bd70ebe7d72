import numpy as np
import pytest

from osteon.cohort.manifest import Case
from osteon.evaluation.overlap import OverlapCounts
from osteon.evaluation.pairs import Pairs
from osteon.systems.lytic.calibrate import match_candidates
from osteon.systems.lytic.evaluate import CaseResult
from osteon.systems.lytic.sections import _box_section, _calibration_section, _large_only, sections


def result(name="a", *, pairs=(), scores=(), lesion_mm=(), bone=None, slice_truth=None, slice_found=None):
    """``pairs``: (candidate, lesion, shared voxels)."""
    rows = np.array(pairs, dtype=float).reshape(-1, 3)
    made = Pairs(prediction=rows[:, 0].astype(np.intp), truth=rows[:, 1].astype(np.intp), affinity=rows[:, 2])
    return CaseResult(
        case=Case(case=name, patient=f"p-{name}", study=name),
        bone=bone,
        pairs=made,
        scores=np.asarray(scores, dtype=np.float64),
        lesion_mm=np.asarray(lesion_mm, dtype=np.float64),
        lesion_site=("rib",) * len(lesion_mm),
        slice_truth=slice_truth or {},
        slice_found=slice_found or {},
        seconds=1.0,
    )


def match(results):
    return match_candidates(
        [r.pairs for r in results],
        scores=[r.scores for r in results],
        lesions=[len(r.lesion_mm) for r in results],
        patients=[r.case.patient for r in results],
    )


def made(*results, threshold=0.5):
    return {s.title: s for s in sections(results, match(results), threshold=threshold)}


def figure(section, name, group=""):
    found = [f for f in section.figures if f.name == name and f.group == group]
    assert len(found) == 1
    return found[0]


def boxes(*rows):
    return np.array(rows, dtype=np.float32).reshape(-1, 4)


def brute_force(one):
    """(best score per large lesion, scores of the false positives) by going through candidates by score."""
    touched = {k: {} for k in range(len(one.scores))}
    for k, lesion, shared in zip(one.pairs.prediction, one.pairs.truth, one.pairs.affinity, strict=True):
        touched[int(k)][int(lesion)] = shared
    large = {n for n, mm in enumerate(one.lesion_mm) if mm >= 5}
    found, false = {}, []
    for k in sorted(touched, key=lambda k: -one.scores[k]):
        on_large = {n: shared for n, shared in touched[k].items() if n in large}
        free = {n: shared for n, shared in on_large.items() if n not in found}
        if free:
            found[max(free, key=lambda n: (free[n], n))] = one.scores[k]
        elif not touched[k]:
            false.append(one.scores[k])
    return [found.get(n, -np.inf) for n in sorted(large)], false


def random_result(rng, name):
    candidates, lesions = int(rng.integers(0, 9)), int(rng.integers(0, 7))
    shared = rng.integers(1, 50, (candidates, lesions)) * (rng.random((candidates, lesions)) < 0.3)
    k, n = np.nonzero(shared)
    return result(name, pairs=np.stack([k, n, shared[k, n]], axis=1), scores=rng.permutation(20)[:candidates] / 20,
                  lesion_mm=rng.uniform(2, 9, lesions))  # fmt: skip


@pytest.mark.parametrize("seed", range(30))
def test_large_lesions_alone_equal_a_search(seed):
    rng = np.random.default_rng(seed)
    results = [random_result(rng, str(k)) for k in range(6)]
    got = _large_only(results)
    wanted = [brute_force(r) for r in results]
    assert got.lesion_score.tolist() == [s for scores, _ in wanted for s in scores]
    for number, (_, false) in enumerate(wanted):
        assert sorted(got.score[(got.case == number) & (got.outcome == 0)]) == sorted(false)
    assert got.cases == 6


def test_perfect_boxes_give_a_map_of_one():
    true = {3: boxes([0, 0, 10, 10], [20, 5, 33, 18]), 4: boxes([1, 1, 9, 9])}
    found = {k: (b, np.linspace(0.9, 0.5, len(b))) for k, b in true.items()} | {9: (boxes(), np.zeros(0))}
    section = _box_section([result(slice_truth=true, slice_found=found), result("b")])
    assert section.figures[0].estimate.value == pytest.approx(1)
    assert section.figures[0].estimate.n == 3


@pytest.mark.parametrize("missed", ["no entry", "no box"])
def test_a_slice_without_prediction_counts_against_recall(missed):
    true = {k: boxes([0, 0, 10, 10]) for k in range(4)}
    found = {k: (true[k], np.array([0.9])) for k in (0, 1)}
    if missed == "no box":
        found |= {k: (boxes(), np.zeros(0)) for k in (2, 3)}
    value = _box_section([result(slice_truth=true, slice_found=found)]).figures[0].estimate.value
    assert value == pytest.approx(51 / 101)  # precision 1 at the recalls 0, 0.01, ... 0.5 of 101


def test_boxes_of_another_slice_or_case_do_not_match():
    true = {2: boxes([0, 0, 10, 10])}
    same = (boxes([0, 0, 10, 10]), np.array([0.9]))
    apart = [result(slice_truth=true, slice_found={3: same}), result("b", slice_found={2: same})]
    assert _box_section(apart).figures[0].estimate.value == 0


def test_a_false_box_that_is_surer_lowers_the_map_by_what_is_published():
    found = {0: (boxes([0, 0, 10, 10], [50, 50, 60, 60]), np.array([0.5, 0.9]))}
    value = _box_section([result(slice_truth={0: boxes([0, 0, 10, 10])}, slice_found=found)]).figures[0].estimate.value
    assert value == pytest.approx(0.5)


def test_without_any_true_box_there_is_no_map():
    assert _box_section([result(slice_found={0: (boxes([0, 0, 1, 1]), np.array([0.5]))})]) is None


def test_figures_at_the_threshold_are_those_of_counting():
    first = result(pairs=[(0, 0, 9), (1, 1, 9), (3, 0, 2)], scores=[0.9, 0.4, 0.8, 0.7], lesion_mm=[4, 9, 25])
    second = result("b", scores=[0.6, 0.1])
    point = made(first, second)["At the model's operating point"]
    assert figure(point, "sensitivity", "all lesions").counts == "1/3"
    assert figure(point, "false positives a scan").counts == "2/2"
    assert figure(point, "PPV").estimate.value == pytest.approx(1 / 3)
    assert {f.group: f.counts for f in point.figures if f.name == "sensitivity"} == {
        "all lesions": "1/3", "under 5 mm": "1/1", "8 to 12 mm": "0/1", "20 mm and more": "0/1", "rib": "1/3",
    }  # fmt: skip


def test_size_bins_include_their_lower_end():
    one = result(lesion_mm=[4.99, 5, 8, 12, 20], scores=[0.2])
    groups = [f.group for f in made(one)["At the model's operating point"].figures if f.name == "sensitivity"]
    assert groups[1:6] == ["under 5 mm", "5 to 8 mm", "8 to 12 mm", "12 to 20 mm", "20 mm and more"]


def test_cohort_without_lesions_counts_false_positives_alone():
    got = made(result(scores=[0.9, 0.2]), result("b"))
    assert "Lesions" in got
    assert "Boxes on slices" not in got
    assert "Bone segmentation" not in got
    point = got["At the model's operating point"]
    assert np.isnan(figure(point, "sensitivity", "all lesions").estimate.value)
    assert figure(point, "false positives a scan").estimate.value == pytest.approx(0.5)


def test_cohort_without_predictions_finds_nothing():
    got = made(result(lesion_mm=[6, 3], slice_truth={1: boxes([0, 0, 5, 5])}), result("b", lesion_mm=[10]))
    curve = got["Lesions found: FROC"]
    assert {f.estimate.value for f in curve.figures} == {0.0}
    assert {f.group for f in curve.figures} == {"", "lesions of 5 mm and more"}
    assert figure(got["At the model's operating point"], "sensitivity", "all lesions").counts == "0/3"
    assert got["Boxes on slices"].figures[0].estimate.value == 0
    assert "Calibration" not in got


def test_nothing_at_all_is_still_a_report():
    assert set(made(result())) == {"Lesions", "At the model's operating point"}


def counts(both, missed, extra):
    return OverlapCounts(both=np.array([both]), missed=np.array([missed]), extra=np.array([extra]))


def test_bone_figures_leave_out_cases_without_truth():
    bone = made(result(bone=counts(80, 20, 20)), result("b"), result("c", bone=counts(50, 50, 0)))["Bone segmentation"]
    assert figure(bone, "bone dice, mean over scans").estimate.value == pytest.approx((0.8 + 100 / 150) / 2)
    assert figure(bone, "bone recall, mean over scans").estimate.value == pytest.approx(0.65)
    assert figure(bone, "bone precision, mean over scans").estimate.value == pytest.approx(0.9)
    assert figure(bone, "bone dice, mean over scans").estimate.n == 2


def test_calibration_table_sums_all_candidates_once():
    scores = [0.0, 0.1, 0.2, 0.39, 0.4, 0.79, 0.8, 1.0]
    section = _calibration_section([result(scores=scores[:5], pairs=[(4, 0, 1), (4, 1, 2)], lesion_mm=[9, 9]),
                                    result("b", scores=scores[5:], pairs=[(2, 0, 3)], lesion_mm=[9])])  # fmt: skip
    rows = section.tables[0].rows
    assert [row[:2] for row in rows] == [("0 to 0.2", 2), ("0.2 to 0.4", 2), ("0.4 to 0.6", 1), ("0.6 to 0.8", 1),
                                         ("0.8 to 1", 2)]  # fmt: skip
    assert [row[3] for row in rows] == [0, 0, 1, 0, 0.5]
    hits = np.array([0, 0, 0, 0, 1, 0, 0, 1])
    assert f"{np.mean((np.array(scores) - hits) ** 2):.4f}" in section.tables[0].note
