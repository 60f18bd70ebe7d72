"""Table 1 and McNemar's pairs against another library and cases counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from osteon.evaluation.published import load_facts
from osteon.systems.fracture.published.features import FEATURES, table_one
from osteon.systems.fracture.published.readers import STUDIED
from osteon.systems.fracture.published.sections import NETWORK, _mcnemar

PRINTED = {name: row for name, row in load_facts("fracture")["features"].items() if name != "columns"}
TRUTH = np.repeat([True, False], [50, 140])


def test_with_the_studys_patients_table_1_is_the_printed_one() -> None:
    features = {
        name: np.concatenate([np.arange(50) < malignant, np.arange(140) < benign])
        for name, (malignant, benign, _) in PRINTED.items()
    }
    section = table_one(features, TRUTH)
    rows = section.tables[0].rows
    assert len(rows) == len(FEATURES) == 15
    exact = [stats.fisher_exact([[a, 50 - a], [b, 140 - b]]).pvalue for a, b, _ in PRINTED.values()]
    for row, (malignant, benign, _), p in zip(rows, PRINTED.values(), exact, strict=True):
        assert row[1] == row[2] == f"{malignant}/50"
        assert row[3] == row[4] == f"{benign}/140"
        assert row[6] == ("< 0.001" if p < 0.001 else f"{p:.3f}")
    assert section.figures[0].counts == f"{sum(p < 0.001 for p in exact)}/15"


def test_features_are_counted_where_they_are() -> None:
    """Not by the order of the patients: one malignant and two benign of 190 have it, wherever they stand."""
    rng = np.random.default_rng(3)
    order = rng.permutation(190)
    one = np.zeros(190, bool)
    one[[0, 60, 61]] = True
    row = table_one(dict.fromkeys(FEATURES, one[order]), TRUTH[order]).tables[0].rows[0]
    assert (row[2], row[4]) == ("1/50", "2/140")


def test_pairs_are_compared_on_the_same_patients_malignant_and_benign_apart() -> None:
    """The first-year resident misses 5 of 10 malignant patients whom everybody else finds: p = 2 / 2^5, exactly."""
    truth = np.repeat([True, False], 10)
    called = {name: truth.copy() for name in (*STUDIED, NETWORK)}
    called["resident_year_1"][:5] = False
    called[NETWORK][10:12] = True  # and the network calls two benign ones malignant
    tests = _mcnemar(truth, called).tests
    assert len(tests) == 8
    for one in tests:
        junior, network = "resident year 1" in one.comparison, NETWORK in one.comparison
        wanted = 2 / 2**5 if one.comparison.startswith("sensitivity") else 2 / 2**2 if network else 1.0
        assert junior or network
        assert one.p == pytest.approx(wanted)
        assert one.n == 10
        if one.comparison.startswith("sensitivity"):
            assert "only the first right 0, only the second 5" in one.detail
