from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from osteon.errors import InputError, UsageError
from osteon.phantom.readers import (
    METASTASIS_FIGURES,
    CaseTruth,
    LesionReader,
    Mark,
    calibrated,
    case_truth,
    metastasis_readers,
    read_case,
)


def cohort(cases: int = 60, *, lesions: int = 20, mimics: int = 5, seed: int = 1) -> list[CaseTruth]:
    """Lesions of 60 mm3 to 5 cm3, two kinds of mimics, 30 normal places."""
    rng = np.random.default_rng(seed)
    found = []
    for k in range(cases):
        diameter = rng.uniform(5, 21, lesions)
        table = {
            "lesions": [
                {
                    "number": n + 1,
                    "diameter_mm": d,
                    "volume_mm3": np.pi / 6 * d**3,
                    "centre_mm": list(rng.normal(0, 50, 3)),
                }
                for n, d in enumerate(diameter)
            ],
            "mimics": [
                {"kind": kind, "diameter_mm": 8.0, "centre_mm": list(rng.normal(0, 50, 3))}
                for kind in ["schmorl node", "haemangioma", "schmorl node", "vein", "vein"][:mimics]
            ],
        }
        found.append(case_truth(f"p{k:04d}", table, normal_mm=rng.normal(200, 50, (30, 3))))
    return found


def all_marks(cases: list[CaseTruth], readers: list[LesionReader], *, seed: int = 0) -> list[Mark]:
    return [mark for case in cases for mark in read_case(case, readers, seed=seed)]


def within_binomial(hits: int, n: int, p: float) -> bool:
    """Inside the central 99.9 % of a binomial distribution."""
    low, high = stats.binom.interval(0.999, n, p)
    return bool(low <= hits <= high)


def test_detection_is_half_at_half_volume_and_gains_the_steepness_in_logits_a_doubling() -> None:
    reader = LesionReader(name="r", half_volume_mm3=700, steepness=1.3)
    chance = reader.detection(np.array([350.0, 700.0, 1400.0]))
    np.testing.assert_allclose(np.log(chance / (1 - chance)), [-1.3, 0, 1.3], atol=1e-9)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 1.0])
def test_realised_sensitivity_by_volume_is_what_was_asked_whatever_readers_share(correlation: float) -> None:
    """Lesions are independent of each other for one reader, so counts are binomial in each volume group."""
    cases = cohort()
    reader = LesionReader(name="r", half_volume_mm3=900, steepness=1.5, correlation=correlation)
    found = {(mark.case, mark.number) for mark in all_marks(cases, [reader])}
    volume = np.concatenate([case.volume_mm3 for case in cases])
    hit = np.array([(case.case, int(n)) in found for case in cases for n in case.number])
    for low, high in ((0, 500), (500, 1500), (1500, 9000)):
        group = (volume >= low) & (volume < high)
        assert within_binomial(int(hit[group].sum()), int(group.sum()), float(reader.detection(volume[group]).mean()))


def test_calibration_reaches_sensitivity_and_false_positives_on_a_cohort() -> None:
    cases = cohort()
    reader = calibrated(LesionReader(name="r", appeal=(("vein", 0.5),)), cases, sensitivity=0.7, false_positives=1.5)
    marks = all_marks(cases, [reader])
    assert within_binomial(sum(mark.on == "lesion" for mark in marks), 60 * 20, 0.7)
    mimics = [mark for mark in marks if mark.on == "mimic"]
    expected = float(sum(reader.mistaking(case.mimic_kind).sum() for case in cases))
    assert expected == pytest.approx(0.75 * 1.5 * 60)
    assert within_binomial(len(mimics), 300, expected / 300)
    veins = reader.mistaking(["vein", "schmorl node"])
    assert veins[0] == pytest.approx(veins[1] / 2)
    low, high = stats.poisson.interval(0.999, 0.25 * 1.5 * 60)
    assert low <= sum(mark.on == "normal" for mark in marks) <= high


def test_where_mimics_are_too_few_the_rest_is_marked_on_normal_places() -> None:
    cases = cohort(mimics=1)
    reader = calibrated(LesionReader(name="r"), cases, sensitivity=0.5, false_positives=4.0)
    assert reader.mimic_rate == 1.0
    assert reader.random_per_case == pytest.approx(3.0, abs=1e-3)


def test_size_does_not_matter_at_no_steepness() -> None:
    reader = calibrated(LesionReader(name="r", steepness=0.0), cohort(), sensitivity=0.9, false_positives=0.0)
    chance = reader.detection(np.array([50.0, 5000.0]))
    assert abs(chance[0] - chance[1]) < 0.02
    assert chance.mean() == pytest.approx(0.9, abs=0.01)


def test_readers_who_share_difficulty_miss_the_same_lesions() -> None:
    cases = cohort()

    def agreement(correlation: float) -> float:
        readers = [
            LesionReader(name=name, half_volume_mm3=900, steepness=0.5, correlation=correlation) for name in ("a", "b")
        ]
        found = all_marks(cases, readers)
        keys = [(case.case, int(n)) for case in cases for n in case.number]
        sets = [{(m.case, m.number) for m in found if m.reader == name} for name in ("a", "b")]
        a, b = (np.array([key in one for key in keys]) for one in sets)
        return float(np.corrcoef(a, b)[0, 1])

    assert agreement(0.0) < 0.3
    assert agreement(0.9) > agreement(0.0) + 0.25
    assert agreement(1.0) == pytest.approx(1.0)


def test_marks_do_not_depend_on_other_readers_or_cases() -> None:
    cases = cohort(3)
    one, other = LesionReader(name="one", mimic_rate=0.3), LesionReader(name="other", mimic_rate=0.3)
    alone = read_case(cases[1], [one], seed=4)
    assert alone == [mark for mark in read_case(cases[1], [other, one], seed=4) if mark.reader == "one"]
    assert alone != read_case(cases[1], [one], seed=5)
    assert alone


def test_centres_and_boxes_follow_the_habits() -> None:
    cases = cohort()
    generous = LesionReader(name="r", half_volume_mm3=1e-3, jitter_mm=2.0, box_scale=1.3, box_spread=0.1)
    marks = all_marks(cases, [generous])
    truth = {(case.case, int(n)): k for case in cases for k, n in enumerate(case.number)}
    by_name = {case.case: case for case in cases}
    rows = [(by_name[mark.case], truth[mark.case, mark.number], mark) for mark in marks]
    off = np.array([np.array(mark.centre_mm) - case.centre_mm[k] for case, k, mark in rows])
    assert off.std() == pytest.approx(2.0, rel=0.06)
    assert abs(off.mean()) < 0.15
    side = np.array([(np.array(m.high_mm) - m.low_mm) / case.diameter_mm[k] for case, k, m in rows])
    assert np.exp(np.log(side).mean()) == pytest.approx(1.3, rel=0.01)
    assert np.log(side).std() == pytest.approx(0.1, rel=0.06)


def test_readers_are_surer_of_what_is_easy_than_of_what_is_nothing() -> None:
    reader = LesionReader(name="r", half_volume_mm3=500, mimic_rate=0.15, random_per_case=1.0, levels=5)
    marks = all_marks(cohort(), [reader])
    mean = {on: np.mean([mark.confidence for mark in marks if mark.on == on]) for on in ("lesion", "mimic", "normal")}
    assert mean["lesion"] > mean["mimic"] + 0.1
    assert mean["lesion"] > mean["normal"] + 0.1
    assert {mark.confidence for mark in marks} <= {0.2, 0.4, 0.6, 0.8, 1.0}


def test_five_radiologists_have_the_printed_figures() -> None:
    """Mean sensitivity 0.746 and 1.338 false positives a series; spread as the intervals of a mean of 5 imply."""
    figures = np.array(METASTASIS_FIGURES)
    half = stats.t.ppf(0.975, 4) * figures.std(axis=0, ddof=1) / np.sqrt(5)
    np.testing.assert_allclose(figures.mean(axis=0), [0.746, 1.338], atol=0.005)
    np.testing.assert_allclose(half, [(0.960 - 0.543) / 2, (2.83 + 0.07) / 2], atol=0.02)
    cases = cohort(49, lesions=4)
    readers = metastasis_readers(cases)
    marks = all_marks(cases, list(readers))
    for reader, (sensitivity, _) in zip(readers, METASTASIS_FIGURES, strict=True):
        hits = sum(mark.on == "lesion" and mark.reader == reader.name for mark in marks)
        assert within_binomial(hits, 49 * 4, sensitivity)
    low, high = stats.poisson.interval(0.999, 1.338 * 49 * 5)
    assert low <= sum(mark.on != "lesion" for mark in marks) <= high


def test_what_cannot_be_is_an_error() -> None:
    with pytest.raises(UsageError, match="reader r: mimic_rate out of range"):
        LesionReader(name="r", mimic_rate=1.2)
    with pytest.raises(UsageError, match="reader r: 0 lesions"):
        calibrated(LesionReader(name="r"), [], sensitivity=0.5, false_positives=1.0)
    with pytest.raises(InputError, match=r"case p1: the lesion table lacks .*diameter_mm"):
        case_truth("p1", {"lesions": [{"number": 1, "centre_mm": [0, 0, 0]}]})
    bare = replace(cohort(1)[0], normal_mm=np.zeros((0, 3)))
    with pytest.raises(InputError, match="marks normal places, but none are given"):
        read_case(bare, [LesionReader(name="r", random_per_case=1.0)], seed=0)
