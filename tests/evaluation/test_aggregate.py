from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from osteon.errors import InputError, UsageError
from osteon.evaluation.aggregate import RULES, TIES, gather, single_units

ROWS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(0, 10)), min_size=1, max_size=50)


def by_hand(rows, rule, tie, threshold):
    """Image -> sequence -> patient, in plain Python: patient -> (called, score)."""

    def decide(scores, calls, means):
        if rule == "max":
            return max(scores) >= threshold, max(scores)
        if rule == "mean":
            return float(np.mean(scores)) >= threshold - 1e-12, float(np.mean(scores))
        votes = sum(calls)
        if 2 * votes == len(calls):
            called = {"positive": True, "negative": False, "mean": float(np.mean(means)) >= threshold - 1e-12}[tie]
        else:
            called = 2 * votes > len(calls)
        return called, votes / len(calls)

    sequences = {}
    for patient, sequence, score in rows:
        sequences.setdefault((patient, sequence), []).append(score / 10)
    patients = {}
    for (patient, _), scores in sequences.items():
        called, score = decide(scores, [s >= threshold for s in scores], scores)
        patients.setdefault(patient, []).append((called, score, float(np.mean(scores))))
    return {
        p: decide([u[1] for u in units], [u[0] for u in units], [u[2] for u in units]) for p, units in patients.items()
    }


@given(ROWS, st.sampled_from(RULES), st.sampled_from(TIES))
def test_image_to_sequence_to_patient_equals_the_hand_computation(rows, rule, tie):
    patient, sequence, score = np.array(rows).T
    units = single_units(np.zeros(len(rows), bool), score / 10, threshold=0.5)
    step = {"rule": rule, "threshold": 0.5, "tie": tie}
    sequences = gather(units, patient * 100 + sequence, **step)
    patients = gather(sequences, patient[sequences.first], **step)
    expected = by_hand(rows, rule, tie, 0.5)
    assert patients.names.tolist() == sorted(expected)
    for name, called, value in zip(patients.names, patients.called, patients.score, strict=True):
        assert bool(called) == expected[name][0]
        assert value == pytest.approx(expected[name][1])
    assert patients.size.tolist() == [n for _, n in sorted(Counter(patient[sequences.first].tolist()).items())]


def test_the_fracture_studys_rule_is_the_highest_slice():
    units = single_units([1, 1, 0, 0], [0.2, 0.9, 0.4, 0.3], threshold=0.5)
    patients = gather(units, ["a", "a", "b", "b"], rule="max", threshold=0.5)
    assert patients.score.tolist() == [0.9, 0.4]
    assert patients.called.tolist() == [True, False]
    assert patients.truth.tolist() == [True, False]


@pytest.mark.parametrize(("tie", "expected"), [("positive", True), ("negative", False), ("mean", True)])
def test_a_tie_goes_as_asked(tie, expected):
    units = single_units([1, 1], [0.9, 0.2], threshold=0.5)
    patients = gather(units, ["a", "a"], rule="majority", threshold=0.5, tie=tie)
    assert patients.tied.tolist() == [True]
    assert patients.called.tolist() == [expected]
    assert patients.score.tolist() == [0.5]


def test_a_group_of_two_classes_is_refused():
    units = single_units([1, 0, 0], [0.9, 0.2, 0.1], threshold=0.5)
    with pytest.raises(InputError, match="1 of 2 groups hold both classes, the first at row 0"):
        gather(units, ["a", "a", "b"], rule="max", threshold=0.5)


def test_unknown_names_are_refused():
    units = single_units([1], [0.9], threshold=0.5)
    with pytest.raises(UsageError, match="'median'"):
        gather(units, ["a"], rule="median", threshold=0.5)
    with pytest.raises(UsageError, match="'coin'"):
        gather(units, ["a"], rule="majority", threshold=0.5, tie="coin")
