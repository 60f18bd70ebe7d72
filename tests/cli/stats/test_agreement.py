from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

from osteon.errors import InputError, UsageError
from tests.cli.stats.running import figures, found_tests, run, value, write

HEADER = "case,patient,reader,rating"
FAST = ("--resamples", 100)


def ratings(tmp_path, labels=("none", "mild", "severe"), seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, len(labels), 50)
    codes = {r: np.clip(truth + rng.choice([-1, 0, 0, 0], 50), 0, len(labels) - 1) for r in "ABC"}
    rows = [f"c{i},p{i},{r},{labels[codes[r][i]]}" for i in range(50) for r in "ABC"]
    return write(tmp_path / "ratings.csv", HEADER, rows), codes


def test_kappas_of_named_categories(tmp_path):
    path, codes = ratings(tmp_path)
    document = run("agreement", path, *FAST)
    for pair in ("AB", "AC", "BC"):
        found = figures(document, "Cohen's kappa", " v ".join(pair))
        assert [f["estimate"]["value"] for f in found] == pytest.approx(
            [cohen_kappa_score(codes[pair[0]], codes[pair[1]])] * 2
        )
        assert [f["estimate"]["method"].split(" ")[0] for f in found] == ["asymptotic", "percentile"]
    table = aggregate_raters(np.array([codes[r] for r in "ABC"]).T)[0]
    assert value(document, "Fleiss' kappa") == pytest.approx(fleiss_kappa(table))


def test_weights_need_an_order(tmp_path):
    path, codes = ratings(tmp_path)
    with pytest.raises(UsageError, match="have no order; give it with --order"):
        run("agreement", path, "--weights", "linear")
    document = run("agreement", path, "--weights", "quadratic", "--order", "none,mild,severe", *FAST)
    expected = cohen_kappa_score(codes["A"], codes["B"], weights="quadratic")
    assert value(document, "Cohen's kappa, quadratic weights", "A v B") == pytest.approx(expected)
    with pytest.raises(InputError, match=r"rating 'severe'; expected one of \['none', 'mild'\]"):
        run("agreement", path, "--order", "none,mild")


def test_numbers_are_ordered_as_numbers(tmp_path):
    path, codes = ratings(tmp_path, labels=("2", "9", "10"))
    document = run("agreement", path, "--weights", "linear", *FAST)
    expected = cohen_kappa_score(codes["A"], codes["C"], weights="linear")
    assert value(document, "Cohen's kappa, linear weights", "A v C") == pytest.approx(expected)


def test_measurements(tmp_path):
    rng = np.random.default_rng(0)
    a = rng.normal(20, 5, 30)
    b = a + 1 + rng.normal(size=30)
    rows = [f"c{i},p{i},{r},{x:.6f}" for i in range(30) for r, x in (("A", a[i]), ("B", b[i]))]
    path = write(tmp_path / "sizes.csv", HEADER, rows)
    document = run("agreement", path, "--kind", "measurement", "--unit", "mm")
    assert value(document, "bias") == pytest.approx((a - b).mean(), abs=1e-6)
    assert value(document, "lower limit of agreement") == pytest.approx(
        (a - b).mean() - 1.959964 * (a - b).std(ddof=1), abs=1e-5
    )
    assert found_tests(document, "proportional bias")[0]["n"] == 30


def masks(folder, volumes, spacing=1.0):
    folder.mkdir()
    for case, count in volumes.items():
        array = np.zeros((10, 10, 10), np.uint8)
        array.reshape(-1)[:count] = 1
        nib.save(nib.Nifti1Image(array, np.diag([spacing, spacing, spacing, 1])), folder / f"{case}.nii.gz")
    return folder


def test_annotators_masks(tmp_path):
    one = masks(tmp_path / "one", {"a": 100, "b": 50, "c": 0, "d": 400}, spacing=2.0)
    two = masks(tmp_path / "two", {"a": 300, "b": 50, "c": 0, "d": 0}, spacing=2.0)
    document = run("agreement", "--masks", one, "--masks", two, *FAST)
    assert value(document, "mean Dice per case") == pytest.approx((0.5 + 1.0 + 0.0) / 3)
    assert value(document, "Dice of all voxels") == pytest.approx(2 * 150 / (550 + 350))
    assert value(document, "bias") == pytest.approx((100 + 50 + 400 - 300 - 50) * 8 / 1000 / 4)  # cm3
    table = document["sections"][0]["tables"][0]
    assert "1 of 4 cases are empty for both" in table["note"]
    assert table["rows"][2][1] is None


def test_bad_input(tmp_path):
    with pytest.raises(UsageError, match="either FILE or --masks"):
        run("agreement")
    one = masks(tmp_path / "one", {"a": 100})
    with pytest.raises(UsageError, match="at least two folders"):
        run("agreement", "--masks", one)
    lonely = write(tmp_path / "one.csv", HEADER, ["c1,p1,A,1", "c2,p2,A,2"])
    with pytest.raises(InputError, match="one reader only"):
        run("agreement", lonely)
    gap = write(tmp_path / "gap.csv", HEADER, ["c1,p1,A,1", "c1,p1,B,2", "c2,p2,A,1"])
    with pytest.raises(InputError, match=r"gap.csv: 1 of 4 judgements are missing, the first: reader 'B', case 'c2'"):
        run("agreement", gap)
    with pytest.raises(UsageError, match="'colour'"):
        run("agreement", gap, "--kind", "colour")
