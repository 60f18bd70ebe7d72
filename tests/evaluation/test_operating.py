from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from osteon.errors import InputError, UsageError
from osteon.evaluation.operating import choose_threshold, parse_rule

CASES = st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=2, max_size=40).filter(
    lambda rows: 0 < sum(row[0] for row in rows) < len(rows)
)


def arrays(rows):
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows], float)


def rates(truth, score, threshold):
    called = score >= threshold
    return called[truth].mean(), (~called)[~truth].mean()


@given(CASES)
def test_youden_is_the_best_of_all_thresholds_and_the_highest_of_equals(rows):
    truth, score = arrays(rows)
    point = choose_threshold(truth, score, parse_rule("youden"))
    candidates = {t: sum(rates(truth, score, t)) for t in [np.inf, *np.unique(score)]}
    best = max(candidates.values())
    assert point.threshold == max(t for t, value in candidates.items() if value == pytest.approx(best))
    assert (point.sensitivity, point.specificity) == pytest.approx(rates(truth, score, point.threshold))


@given(CASES, st.sampled_from([0.0, 0.5, 0.8, 0.9, 1.0]))
def test_a_wanted_sensitivity_is_reached_by_the_highest_threshold(rows, wanted):
    truth, score = arrays(rows)
    point = choose_threshold(truth, score, parse_rule(f"sensitivity>={wanted}"))
    assert point.sensitivity >= wanted - 1e-9
    higher = [t for t in [np.inf, *np.unique(score)] if t > point.threshold]
    assert all(rates(truth, score, t)[0] < wanted for t in higher)


@given(CASES, st.sampled_from([0.0, 0.5, 0.8, 1.0]))
def test_a_wanted_specificity_is_kept_with_the_best_sensitivity(rows, wanted):
    truth, score = arrays(rows)
    point = choose_threshold(truth, score, parse_rule(f"specificity >= {wanted}"))
    assert point.specificity >= wanted - 1e-9
    kept = [rates(truth, score, t) for t in [np.inf, *np.unique(score)]]
    assert point.sensitivity == pytest.approx(max(se for se, sp in kept if sp >= wanted - 1e-12))


@given(CASES, st.floats(-1, 9))
def test_a_given_threshold_is_applied_as_it_is(rows, threshold):
    truth, score = arrays(rows)
    point = choose_threshold(truth, score, parse_rule(f"threshold={threshold}"))
    assert point.threshold == pytest.approx(threshold)
    assert (point.sensitivity, point.specificity) == pytest.approx(rates(truth, score, point.threshold))


def test_chosen_on_one_set_and_applied_to_another():
    rng = np.random.default_rng(0)
    truth = np.repeat([True, False], 500)
    first, second = (rng.normal(size=1000) + 2 * truth for _ in range(2))
    point = choose_threshold(truth, first, parse_rule("sensitivity>=0.9"))
    assert rates(truth, second, point.threshold)[0] == pytest.approx(0.9, abs=0.04)


def test_nine_of_ten_is_ninety_per_cent():
    truth = np.array([True] * 10 + [False])
    point = choose_threshold(truth, np.arange(11.0)[::-1], parse_rule("sensitivity>=0.9"))
    assert point.sensitivity == pytest.approx(0.9)


@pytest.mark.parametrize("text", ["best", "sensitivity>=90", "sensitivity=0.9", "threshold=", "threshold=nan", ""])
def test_a_rule_that_cannot_be_read_is_refused(text):
    with pytest.raises(UsageError, match="expected youden"):
        parse_rule(text)


def test_rules_read_back_as_written():
    for text in ("youden", "threshold=0.25", "sensitivity>=0.9", "specificity>=0.95"):
        assert str(parse_rule(text)) == text


def test_one_class_gives_nothing_to_choose_by():
    with pytest.raises(InputError, match="one class only"):
        choose_threshold(np.ones(3, bool), np.arange(3.0), parse_rule("youden"))
