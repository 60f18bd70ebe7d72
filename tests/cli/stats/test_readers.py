from __future__ import annotations

import numpy as np
import pytest

from osteon.errors import InputError, UsageError
from tests.cli.stats.running import figures, found_tests, run, value, write
from tests.evaluation.van_dyke import read_van_dyke

HEADER = "case,patient,truth,reader,modality,score,location,time_s"


def study(tmp_path, *, modalities=(0, 1), readers=range(5), name="van_dyke.csv"):
    truth, score = read_van_dyke()
    rng = np.random.default_rng(0)
    rows = []
    for c in range(114):
        for m in modalities:
            for r in readers:
                seconds = np.exp(3 - 0.3 * m + 0.1 * r + 0.2 * rng.normal())
                cells = [f"c{c}", f"p{c}", int(truth[c]), f"R{r}", ("CINE", "SE")[m], int(score[m, r, c])]
                rows.append(",".join(map(str, [*cells, ("arch", "descending")[c % 2], f"{seconds:.3f}"])))
    return write(tmp_path / name, HEADER, rng.permutation(rows).tolist())


def test_the_van_dyke_study_from_end_to_end(tmp_path):
    """The printed figures of RJafroc and MRMCaov, from a CSV in any order."""
    document = run("readers", study(tmp_path), "--metric", "auc")
    (difference,) = figures(document, "difference of AUC", "CINE - SE")
    estimate = difference["estimate"]
    assert (estimate["value"], estimate["low"], estimate["high"]) == pytest.approx(
        (-0.04380032, -0.0879594986, 0.0003588544), abs=5e-9
    )
    (test,) = found_tests(document, "all modalities equal", "AUC")
    assert (test["statistic"], test["p"]) == pytest.approx((4.456319, 0.05166569), abs=5e-7)
    assert test["detail"] == "F, df 1 and 15.26"
    assert value(document, "mean AUC", "CINE") == pytest.approx(0.8970370, abs=5e-8)


def test_fixed_readers_and_other_covariances(tmp_path):
    path = study(tmp_path)
    fixed = run("readers", path, "--metric", "auc", "--readers", "fixed")
    assert found_tests(fixed, "difference = 0", "CINE - SE")[0]["p"] == pytest.approx(0.019279843, abs=5e-9)
    cases = run("readers", path, "--metric", "auc", "--cases", "fixed")
    assert found_tests(cases, "difference = 0", "CINE - SE")[0]["p"] == pytest.approx(0.041958752, abs=5e-9)
    for covariance in ("delong", "bootstrap"):
        other = run("readers", path, "--metric", "auc", "--covariance", covariance, "--resamples", 1000)
        assert found_tests(other, "difference = 0", "CINE - SE")[0]["p"] == pytest.approx(0.0517, abs=0.006)


def test_sensitivity_specificity_locations_and_times(tmp_path):
    truth, score = read_van_dyke()
    document = run("readers", study(tmp_path), "--threshold", 3, "--resamples", 100)
    called = score >= 3
    assert value(document, "mean sensitivity", "SE") == pytest.approx(called[1][:, truth].mean())
    assert value(document, "mean specificity", "CINE") == pytest.approx((~called[0])[:, ~truth].mean())
    (reader,) = figures(document, "sensitivity", "SE, R3")
    assert reader["counts"] == "45/45"
    assert reader["estimate"]["low"] == pytest.approx(0.9213, abs=1e-4)  # Wilson, not 1.000 to 1.000
    arch = np.arange(114) % 2 == 0
    (errors,) = figures(document, "error rate", "CINE, arch, R0")
    assert errors["counts"] == f"{(called[0, 0] != truth)[arch].sum()}/57"
    assert value(document, "error rate", "CINE, arch, mean of readers") == pytest.approx(
        (called[0] != truth)[:, arch].mean()
    )
    (ratio,) = figures(document, "ratio of times", "CINE / SE")
    assert ratio["estimate"]["value"] == pytest.approx(np.exp(0.3), abs=0.04)
    assert ratio["estimate"]["low"] > 1.2
    titles = [plot["title"] for section in document["sections"] for plot in section["plots"]]
    assert {"ROC: CINE", "ROC: SE", "ROC: mean of readers", "Error rate by location"} <= set(titles)


def test_one_modality_has_means_and_no_test(tmp_path):
    document = run("readers", study(tmp_path, modalities=(0,)), "--metric", "auc")
    assert found_tests(document, "all modalities equal") == []
    (mean,) = figures(document, "mean AUC", "CINE")
    assert (mean["estimate"]["low"], mean["estimate"]["high"]) == pytest.approx((0.8252236, 0.9688505), abs=5e-8)


def test_one_reader_must_be_fixed(tmp_path):
    path = study(tmp_path, readers=[0])
    with pytest.raises(UsageError, match="take readers as fixed"):
        run("readers", path, "--metric", "auc")
    document = run("readers", path, "--metric", "auc", "--readers", "fixed")
    assert found_tests(document, "all modalities equal")[0]["p"] == pytest.approx(0.2693, abs=5e-5)


def test_a_filter_picks_readers(tmp_path):
    whole, part = study(tmp_path), study(tmp_path, modalities=(0,), name="part.csv")
    one = run("readers", whole, "--only", "modality=CINE", "--metric", "auc")
    assert value(one, "mean AUC") == value(run("readers", part, "--metric", "auc"), "mean AUC")


def test_bad_input(tmp_path):
    path = study(tmp_path)
    with pytest.raises(UsageError, match="both fixed"):
        run("readers", path, "--readers", "fixed", "--cases", "fixed", "--metric", "auc")
    with pytest.raises(UsageError, match="no predicted labels; give --threshold"):
        run("readers", path, "--metric", "sensitivity")
    with pytest.raises(UsageError, match="--metric 'dice'"):
        run("readers", path, "--metric", "dice")
    lines = path.read_text(encoding="utf-8").splitlines()
    short = write(tmp_path / "short.csv", lines[0], lines[1:-1])
    with pytest.raises(InputError, match="1 of 1140 judgements are missing"):
        run("readers", short)
