from __future__ import annotations

import numpy as np
import pytest

from osteon.errors import InputError, UsageError
from osteon.evaluation.features import fisher_test
from osteon.evaluation.logistic import fit_logistic, with_intercept
from tests.cli.stats.running import figures, found_tests, run, value, write

COUNTS = {"collapse_absent": (17, 3), "mass": (11, 0), "dark_patch": (5, 14)}
"""Of the fracture study's Table 1: malignant of 50, benign of 140."""


def table(tmp_path, counts=COUNTS, extra=""):
    rng = np.random.default_rng(0)
    columns = {}
    for name, (malignant, benign) in counts.items():
        columns[name] = np.zeros(190, int)
        columns[name][rng.permutation(50)[:malignant]] = 1
        columns[name][50 + rng.permutation(140)[:benign]] = 1
    rows = [
        f"c{i},p{i},{'malignant' if i < 50 else 'benign'},{40 + i % 50},"
        + ",".join(str(c[i]) for c in columns.values())
        for i in range(190)
    ]
    return write(tmp_path / "features.csv", "case,patient,truth,age," + ",".join(columns) + extra, rows), columns


def test_fisher_of_every_binary_column(tmp_path):
    path, _ = table(tmp_path)
    document = run("features", path, "--positive", "malignant", "--folds", 5)
    assert document["settings"]["features"] == list(COUNTS)  # age is no feature of 0 and 1
    for name, (malignant, benign) in COUNTS.items():
        expected = fisher_test(malignant, 50, benign, 140)
        (test,) = found_tests(document, "Fisher's exact test", name)
        assert test["p"] == pytest.approx(expected.p)
        assert test["p_holm"] >= test["p"]
        (odds,) = figures(document, "odds ratio", name)
        assert odds["estimate"]["low"] == pytest.approx(expected.odds_ratio.low)
    assert value(document, "odds ratio", "mass") is None  # infinite: nothing in benign cases


def test_separation_is_said_and_penalised(tmp_path):
    path, columns = table(tmp_path)
    document = run("features", path, "--positive", "malignant", "--folds", 5)
    (section,) = [s for s in document["sections"] if s["title"] == "Logistic regression, penalty firth"]
    assert "The features separate the classes (mass)" in section["notes"][0]
    design = with_intercept(np.stack(list(columns.values()), axis=1))
    expected = np.exp(fit_logistic(design, np.arange(190) < 50, penalty="firth").coefficient)
    found = [value(document, "adjusted odds ratio", name) for name in COUNTS]
    assert found == pytest.approx(expected[1:])
    assert 0.5 < value(document, "AUC") < 1
    assert figures(document, "accuracy")[0]["rule"] == "5-fold by patient, probability >= 0.5"


def test_without_separation_no_penalty_is_used(tmp_path):
    path, _ = table(tmp_path, {"collapse_absent": (17, 3), "dark_patch": (5, 14)})
    document = run("features", path, "--positive", "malignant", "--folds", 5)
    assert any(s["title"] == "Logistic regression, penalty none" for s in document["sections"])


def test_a_plain_fit_under_separation_is_refused_in_words(tmp_path):
    path, _ = table(tmp_path)
    document = run("features", path, "--positive", "malignant", "--penalty", "none")
    (section,) = [s for s in document["sections"] if s["title"] == "Logistic regression"]
    assert "no finite fit" in section["notes"][-1]
    assert figures(document, "adjusted odds ratio") == []


def test_a_ridge_has_estimates_but_no_interval(tmp_path):
    path, _ = table(tmp_path)
    document = run("features", path, "--positive", "malignant", "--penalty", "ridge", "--folds", 5)
    (figure,) = figures(document, "adjusted odds ratio", "mass")
    assert figure["estimate"]["value"] > 1
    assert figure["estimate"]["low"] is None


def test_bad_input(tmp_path):
    path, _ = table(tmp_path)
    shared = ("features", path, "--positive", "malignant")
    with pytest.raises(InputError, match=r"no column \['height'\]"):
        run(*shared, "--features", "mass,height")
    with pytest.raises(InputError, match=r"line 2 \(case c0\): age is '40'; expected 0 or 1"):
        run(*shared, "--features", "age")
    with pytest.raises(UsageError, match="'lasso'"):
        run(*shared, "--penalty", "lasso")
    with pytest.raises(UsageError, match="80 folds with 50 patients"):
        run(*shared, "--folds", 80)
    nothing = write(tmp_path / "none.csv", "case,patient,truth,age", ["a,p,1,4", "b,q,0,5"])
    with pytest.raises(InputError, match="no feature column of 0 and 1"):
        run("features", nothing)
