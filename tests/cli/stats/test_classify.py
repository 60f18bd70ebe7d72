from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from osteon.errors import InputError, UsageError
from tests.cli.stats.running import figures, invoke, run, value, write

HEADER = "case,patient,sequence,truth,score,site"
FAST = ("--resamples", 100)


def cohort(path, *, seed=0, patients=60, images=2, shift=1.5):
    """Two sequences a patient, some images each; a third of the patients are positive."""
    rng = np.random.default_rng(seed)
    rows, table = [], []
    for p in range(patients):
        truth = p % 3 == 0
        for s in ("T1", "T2"):
            for i in range(images):
                score = 1 / (1 + np.exp(-(rng.normal() + shift * (2 * truth - 1))))
                table.append((truth, round(score, 4), p))
                rows.append(f"{path.stem}{p}{s}{i},{path.stem}p{p},{s},{int(truth)},{score:.4f},{'AB'[p % 2]}")
    truth, score, patient = (np.array(column) for column in zip(*table, strict=True))
    return write(path, HEADER, rows), truth.astype(bool), score, patient


def test_figures_of_a_file(tmp_path):
    path, truth, score, _ = cohort(tmp_path / "a.csv")
    document = run("classify", path, *FAST)
    called = score >= 0.5
    assert value(document, "sensitivity") == pytest.approx(metrics.recall_score(truth, called))
    assert value(document, "MCC") == pytest.approx(metrics.matthews_corrcoef(truth, called))
    assert value(document, "AUC") == pytest.approx(metrics.roc_auc_score(truth, score))
    assert {figure["estimate"]["method"].split(" ")[0] for figure in figures(document, "AUC")} == {
        "DeLong",
        "Obuchowski",
        "percentile",
    }
    assert figures(document, "sensitivity")[0]["counts"] == f"{(truth & called).sum()}/{truth.sum()}"
    assert len(figures(document, "specificity")) == 2  # Wilson, and by patient
    assert document["settings"]["calls"].startswith("score >= 0.5")


def test_the_operating_point_of_another_file(tmp_path):
    path, truth, score, _ = cohort(tmp_path / "a.csv")
    other, other_truth, other_score, _ = cohort(tmp_path / "b.csv", seed=1)
    document = run("classify", path, "--operating-point", "sensitivity>=0.9", "--choose-on", other, *FAST)
    threshold = max(t for t in other_score if (other_score[other_truth] >= t).mean() >= 0.9)
    assert value(document, "sensitivity") == pytest.approx((score[truth] >= threshold).mean())
    assert value(document, "specificity") == pytest.approx((score[~truth] < threshold).mean())
    assert document["warnings"] == []
    assert "b.csv" in document["settings"]["calls"]


def test_an_operating_point_chosen_on_its_own_cases_is_warned_of(tmp_path):
    path, *_ = cohort(tmp_path / "a.csv")
    (warning,) = run("classify", path, "--operating-point", "youden", *FAST)["warnings"]
    assert "same cases" in warning
    warnings = run("classify", path, "--operating-point", "youden", "--choose-on", path, *FAST)["warnings"]
    assert any("60 patients are both in" in text for text in warnings)


@pytest.mark.parametrize("rule", ["max", "mean", "majority"])
def test_patients_are_gathered_from_images(tmp_path, rule):
    path, truth, score, _ = cohort(tmp_path / "a.csv", images=3, shift=0.4)
    document = run("classify", path, "--per", "patient", "--rule", rule, *FAST)
    blocks = score.reshape(60, 2, 3)
    if rule == "max":
        called = blocks.max(axis=(1, 2)) >= 0.5
    elif rule == "mean":
        called = blocks.mean(axis=(1, 2)) >= 0.5
    else:
        votes = (blocks >= 0.5).sum(axis=2) >= 2
        called = np.where(votes.sum(axis=1) == 1, blocks.mean(axis=(1, 2)) >= 0.5, votes.all(axis=1))
    patients = truth.reshape(60, 6)[:, 0]
    assert figures(document, "accuracy")[0]["counts"] == f"{(called == patients).sum()}/60"
    assert figures(document, "sensitivity")[0]["estimate"]["unit"] == "patients"
    if rule == "majority":
        assert document["warnings"] == [f"{(votes.sum(axis=1) == 1).sum()} patients were tied; --tie mean decided."]


def test_sequences_of_two_patients_are_not_mixed(tmp_path):
    path, *_ = cohort(tmp_path / "a.csv")
    assert figures(run("classify", path, "--per", "sequence", *FAST), "accuracy")[0]["estimate"]["n"] == 120


def test_calibration_prevalence_and_subgroups(tmp_path):
    path, truth, score, _ = cohort(tmp_path / "a.csv")
    document = run("classify", path, "--calibration", "--prevalence", 0.1, "--prevalence", 0.5, "--by", "site", *FAST)
    assert value(document, "Brier score") == pytest.approx(metrics.brier_score_loss(truth, score))
    assert value(document, "PPV at prevalence 0.1") < value(document, "PPV at prevalence 0.5")
    assert len(figures(document, "AUC", "site = A")) == 1
    kinds = [plot["kind"] for section in document["sections"] for plot in section["plots"]]
    assert sorted(kinds) == ["confusion", "curves", "forest", "forest", "forest", "reliability"]


def test_counts_alone(tmp_path):
    document = run("classify", "--counts", "47,12,3,128")
    assert value(document, "sensitivity") == 0.94
    assert value(document, "LR+") == pytest.approx(0.94 / (12 / 140))
    for wrong in ("47,12,3", "a,b,c,d", "1,2,3,-4"):
        with pytest.raises(UsageError, match="four whole numbers"):
            run("classify", "--counts", wrong)
    with pytest.raises(UsageError, match="either FILE or --counts"):
        run("classify")


def test_ratings_have_a_curve_but_no_invented_threshold(tmp_path):
    rows = [f"c{i},p{i},{int(i % 3 == 0)},{1 + (i * 7) % 5}" for i in range(30)]
    path = write(tmp_path / "ratings.csv", "case,patient,truth,score", rows)
    document = run("classify", path, *FAST)
    assert figures(document, "sensitivity") == []
    assert len(figures(document, "AUC")) == 2
    assert "only the ROC curve" in document["warnings"][0]
    assert len(figures(run("classify", path, "--operating-point", "threshold=3", *FAST), "sensitivity")) == 1
    with pytest.raises(InputError, match="no probabilities"):
        run("classify", path, "--calibration", *FAST)
    with pytest.raises(UsageError, match="when an image votes"):
        run("classify", path, "--per", "patient", "--rule", "majority", *FAST)


def test_labels_without_scores(tmp_path):
    rows = [f"c{i},p{i},{'bad' if i % 2 else 'good'},{'bad' if i % 3 else 'good'}" for i in range(12)]
    path = write(tmp_path / "labels.csv", "case,patient,truth,predicted", rows)
    document = run("classify", path, "--positive", "bad", *FAST)
    assert figures(document, "AUC") == []
    assert value(document, "sensitivity") == pytest.approx(4 / 6)
    with pytest.raises(UsageError, match="no score column"):
        run("classify", path, "--positive", "bad", "--operating-point", "youden")


def test_the_page_is_written_whole_or_not_at_all(tmp_path):
    path, *_ = cohort(tmp_path / "a.csv")
    invoke("classify", path, *FAST, "--html", tmp_path / "out.html")
    text = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert text.count("<svg") == 2
    assert "percentile bootstrap by patient (60 patients), 100 resamples, seed 0" in text
    bad = write(tmp_path / "bad.csv", HEADER, ["a,p1,T1,1,nan,A", "b,p2,T1,0,0.5,A"])
    with pytest.raises(InputError, match=r"bad.csv, line 2 \(case a\)"):
        invoke("classify", bad, "--html", tmp_path / "none.html")
    with pytest.raises(UsageError, match="folder does not exist"):
        invoke("classify", path, *FAST, "--html", tmp_path / "nowhere" / "out.html")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.csv", "bad.csv", "out.html"]


def test_the_terminal_shows_what_the_json_holds(tmp_path):
    path, *_ = cohort(tmp_path / "a.csv")
    text, document = invoke("classify", path, *FAST), run("classify", path, *FAST)
    assert f"{value(document, 'specificity'):.3f}" in text
    assert "warning" not in text


def test_wrong_names_are_refused(tmp_path):
    path, *_ = cohort(tmp_path / "a.csv")
    with pytest.raises(UsageError, match=r"--per 'slice'.*'case', 'sequence', 'patient'"):
        run("classify", path, "--per", "slice")
    with pytest.raises(UsageError, match="'wald'"):
        run("classify", path, "--interval", "wald")
    with pytest.raises(UsageError, match="--choose-on"):
        run("classify", path, "--choose-on", path)
    with pytest.raises(UsageError, match="--truth-per-case with --per patient"):
        run("classify", path, "--truth-per-case", "--per", "patient")
    with pytest.raises(InputError, match="no column 'centre'"):
        run("classify", path, "--by", "centre", *FAST)
