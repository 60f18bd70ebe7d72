from __future__ import annotations

import numpy as np
import pytest

from osteon.errors import InputError, UsageError
from osteon.evaluation.paired import compare_auc, holm, mcnemar_of
from tests.cli.stats.running import figures, found_tests, run, value, write

HEADER = "case,patient,truth,score"
FAST = ("--permutations", 200)


def three_models(tmp_path, *, images=1, shuffle=True):
    rng = np.random.default_rng(0)
    n = 80 * images
    patient = np.arange(n) // images
    truth = patient % 3 == 0
    base = rng.normal(size=n)
    scores = [1 / (1 + np.exp(-(base + rng.normal(size=n) + q * (2 * truth - 1)))) for q in (1.5, 1.0, 0.4)]
    paths = []
    for name, score in zip("abc", scores, strict=True):
        rows = [f"c{i},p{patient[i]},{int(truth[i])},{score[i]:.6f}" for i in range(n)]
        if shuffle:
            rows = rng.permutation(rows).tolist()
        paths.append(write(tmp_path / f"{name}.csv", HEADER, rows))
    return paths, truth, [np.round(score, 6) for score in scores]


def test_every_pair_is_tested_and_corrected(tmp_path):
    paths, truth, scores = three_models(tmp_path)
    document = run("compare", *paths, *FAST)
    pairs = {"a - b": (0, 1), "a - c": (0, 2), "b - c": (1, 2)}
    plain, corrected = [], []
    for pair, (first, second) in pairs.items():
        expected = compare_auc(truth, scores[first], scores[second])
        (test,) = found_tests(document, "paired DeLong", pair)
        assert test["p"] == pytest.approx(expected.p)
        assert value(document, "difference of AUC", pair) == pytest.approx(expected.difference.value)
        plain.append(test["p"])
        corrected.append(test["p_holm"])
        for metric, group in (("sensitivity", truth), ("specificity", ~truth), ("accuracy", truth | ~truth)):
            right = [((scores[k] >= 0.5) == truth)[group] for k in (first, second)]
            (section,) = [s for s in document["sections"] if s["title"] == f"{metric}: pairs"]
            (test,) = [t for t in section["tests"] if t["name"] == "McNemar, exact" and t["comparison"] == pair]
            assert test["p"] == pytest.approx(mcnemar_of(*right).p_exact)
            assert value(document, f"difference of {metric}", pair) == pytest.approx(right[0].mean() - right[1].mean())
    assert corrected == pytest.approx(holm(plain))


def test_one_pair_needs_no_correction(tmp_path):
    paths, *_ = three_models(tmp_path)
    document = run("compare", *paths[:2], *FAST)
    assert all(test["p_holm"] is None for section in document["sections"] for test in section["tests"])


def test_images_of_one_patient_are_resampled_together(tmp_path):
    paths, *_ = three_models(tmp_path, images=4)
    document = run("compare", *paths[:2], *FAST)
    assert figures(document, "difference of AUC")[0]["estimate"]["method"].startswith("paired, Obuchowski")
    assert "by patient" in figures(document, "difference of accuracy")[0]["estimate"]["method"]
    assert any("McNemar" in text and "independent" in text for text in document["warnings"])


def test_found_tests_in_a_column(tmp_path):
    paths, *_ = three_models(tmp_path, shuffle=False)
    rows = [f"{line},{path.stem}" for path in paths for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    long = write(tmp_path / "long.csv", HEADER + ",model", rows)
    one, other = run("compare", long, "--column", "model", *FAST), run("compare", *paths, *FAST)
    assert value(one, "difference of AUC", "a - c") == value(other, "difference of AUC", "a - c")


def test_cases_that_differ_are_named(tmp_path):
    paths, *_ = three_models(tmp_path, shuffle=False)
    lines = paths[1].read_text(encoding="utf-8").splitlines()
    unknown = write(tmp_path / "unknown.csv", HEADER, [*lines[1:], "x9,p99,0,0.5"])
    with pytest.raises(
        InputError, match=r"unknown.csv, line 82 \(case x9\): test 'unknown' has a case that 'a' does not"
    ):
        run("compare", paths[0], unknown, *FAST)
    short = write(tmp_path / "short.csv", HEADER, lines[1:-1])
    with pytest.raises(InputError, match="test 'short': no prediction for case 'c79' of 'a'"):
        run("compare", paths[0], short, *FAST)
    moved = write(tmp_path / "moved.csv", HEADER, [*lines[1:-1], lines[-1].replace(",0,", ",1,")])
    with pytest.raises(InputError, match="another truth or patient"):
        run("compare", paths[0], moved, *FAST)


def test_too_few_tests_are_refused(tmp_path):
    paths, *_ = three_models(tmp_path)
    with pytest.raises(UsageError, match="at least two tests"):
        run("compare", paths[0])
    with pytest.raises(UsageError, match="expected one file, got 2"):
        run("compare", *paths[:2], "--column", "model")


def test_unknown_names_are_refused(tmp_path):
    paths, *_ = three_models(tmp_path)
    for option, wrong in (("--per", "slice"), ("--rule", "median"), ("--tie", "coin")):
        with pytest.raises(UsageError, match=f"{option} '{wrong}'"):
            run("compare", *paths, option, wrong)
