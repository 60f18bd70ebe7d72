from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from osteon.errors import InputError, UsageError
from osteon.evaluation.average_precision import average_precision, make_boxes, match_boxes
from osteon.evaluation.intervals import draw_clusters
from osteon.evaluation.mean_ap import mean_average_precision


def _cohort(seed, *, images=40, classes=3, whole=True, crowd=0.0, levels=20):
    """Random true boxes and predictions round them; ties in score, equal boxes, images without either."""
    rng = np.random.default_rng(seed)
    true, predicted = [], []
    for image in range(images):
        for _ in range(rng.integers(0, 5)):
            x, y, w, h = rng.integers(0, 80), rng.integers(0, 80), rng.integers(5, 30), rng.integers(5, 30)
            label = int(rng.integers(0, classes))
            true.append((image, label, x, y, w, h, rng.random() < crowd))
            for _ in range(rng.integers(0, 4)):
                move = rng.integers(-5, 6, 4) if whole else rng.normal(0, 3, 4)
                box = np.array([x, y, w, h]) + move
                predicted.append((image, label, *box[:2], *np.maximum(box[2:], 1), rng.integers(0, levels) / levels))
        for _ in range(rng.integers(0, 4)):
            box = rng.integers(5, 60, 4)
            predicted.append((image, int(rng.integers(0, classes)), *box, rng.integers(0, levels) / levels))
    order = rng.permutation(len(predicted))
    return np.array(true, dtype=float), np.array(predicted, dtype=float)[order]


def _boxes(true, predicted):
    def edges(rows):
        return np.column_stack([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]])

    return (
        make_boxes(edges(predicted), image=predicted[:, 0], label=predicted[:, 1], score=predicted[:, 6]),
        make_boxes(edges(true), image=true[:, 0], label=true[:, 1], crowd=true[:, 6]),
    )


def _pycocotools(true, predicted, images, most=100):
    labels = np.unique(np.r_[true[:, 1], predicted[:, 1]]).astype(int)
    data = {
        "images": [{"id": i} for i in range(images)],
        "categories": [{"id": int(label)} for label in labels],
        "annotations": [
            {
                "id": n + 1,
                "image_id": int(r[0]),
                "category_id": int(r[1]),
                "bbox": r[2:6].tolist(),
                "area": float(r[4] * r[5]),
                "iscrowd": int(r[6]),
            }
            for n, r in enumerate(true)
        ],
    }
    results = [
        {"image_id": int(r[0]), "category_id": int(r[1]), "bbox": r[2:6].tolist(), "score": r[6]} for r in predicted
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = data
        truth.createIndex()
        run = COCOeval(truth, truth.loadRes(results), "bbox")
        run.params.areaRng, run.params.areaRngLbl = [[0, 1e10]], ["all"]
        run.params.maxDets = [most]
        run.evaluate()
        run.accumulate()
    precision = run.eval["precision"][:, :, :, 0, 0]  # thresholds, recall levels, classes
    return np.where(precision[:, 0, :] < 0, np.nan, precision.mean(axis=1)).T


@pytest.mark.parametrize("most", [3, 100])
@pytest.mark.parametrize(
    "options", [{}, {"whole": False, "levels": 10**6}, {"crowd": 0.3}, {"classes": 1, "levels": 2}, {"classes": 12}]
)
@pytest.mark.parametrize("seed", range(4))
def test_ap_equals_pycocotools(seed, options, most):
    true, predicted = _cohort(seed, **options)
    found = mean_average_precision(match_boxes(*_boxes(true, predicted), most=most))
    np.testing.assert_allclose(found.ap, _pycocotools(true, predicted, 40, most), atol=1e-12)
    assert found.mean.value == pytest.approx(np.nanmean(found.ap))
    assert found.at[0.5].value == pytest.approx(np.nanmean(found.ap[:, 0]))


def test_all_point_is_the_area_under_the_envelope():
    rng = np.random.default_rng(4)
    for _ in range(30):
        hit = rng.random(25) < 0.4
        lesions = int(hit.sum() + rng.integers(1, 5))
        true, calls = np.cumsum(hit), np.arange(1, 26)
        area = 0.0
        for k in range(1, true[-1] + 1):  # from k - 1 to k lesions found: the best precision at k or more
            area += max(t / c for t, c in zip(true, calls, strict=True) if t >= k) / lesions
        assert average_precision(hit, lesions=lesions, method="all-point") == pytest.approx(area)


def test_worked_examples():
    hit = np.array([True, False, True])
    assert average_precision(hit, lesions=2, method="all-point") == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert average_precision(hit, lesions=2) == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert average_precision(hit, lesions=4, method="all-point") == pytest.approx(0.25 + 0.25 * 2 / 3)
    assert average_precision(np.zeros(0, bool), lesions=2) == 0.0
    assert np.isnan(average_precision(hit, lesions=0))


@pytest.mark.parametrize("method", ["101-point", "all-point"])
@pytest.mark.parametrize("crowd", [0.0, 0.3])
def test_interval_equals_evaluating_each_resample(method, crowd):
    """Draw a patient twice: put a copy of its images behind the first."""
    true, predicted = _cohort(9, images=12, classes=2, crowd=crowd, levels=10**6)
    patient = np.arange(12) // 2
    found = mean_average_precision(
        match_boxes(*_boxes(true, predicted)), patient=patient, method=method, resamples=25, seed=1
    )
    draws = np.concatenate(list(draw_clusters(6, resamples=25, seed=1)), axis=1)
    values = []
    for draw in draws.T:
        copies, count = [], 0
        for image in range(12):
            for _ in range(draw[patient[image]]):
                copies.append((image, count))
                count += 1
        sides = [
            np.concatenate(
                [
                    np.column_stack([np.full((rows[:, 0] == i).sum(), new), rows[rows[:, 0] == i, 1:]])
                    for i, new in copies
                ]
            )
            for rows in (true, predicted)
        ]
        values.append(mean_average_precision(match_boxes(*_boxes(*sides)), method=method).mean.value)
    low, high = np.quantile(values, [0.025, 0.975])
    assert (found.mean.low, found.mean.high) == pytest.approx((low, high), abs=2e-3)


def test_classes_without_lesions_or_predictions():
    true = make_boxes([[0, 0, 10, 10]], image=[0], label=[1])
    predicted = make_boxes([[0, 0, 10, 10]], image=[0], label=[2], score=[0.9])
    found = mean_average_precision(match_boxes(predicted, true), patient=np.array([0, 1]), resamples=10)
    assert found.labels == (1, 2)
    assert found.ap[0].tolist() == [0.0] * 10  # a lesion, no prediction of its class
    assert np.isnan(found.ap[1]).all()  # predictions, no lesion: out of the mean
    assert found.mean.value == 0.0
    healthy = mean_average_precision(match_boxes(predicted, make_boxes([], image=[])))
    assert np.isnan(healthy.mean.value)
    assert healthy.mean.n == 0


def test_volumes_are_matched_like_areas():
    cube = [[0, 0, 0, 4, 4, 4]]
    half = [[0, 0, 0, 4, 4, 2]]
    match = match_boxes(make_boxes(half, image=[0], score=[1.0]), make_boxes(cube, image=[0]), thresholds=(0.5, 0.75))
    assert match[0].hit.tolist() == [[True, False]]


def test_bad_input_is_named():
    with pytest.raises(InputError, match="2 boxes but 1 values of image"):
        make_boxes([[0, 0, 1, 1]] * 2, image=[0])
    with pytest.raises(InputError, match="box 1 has score nan"):
        make_boxes([[0, 0, 1, 1]] * 2, image=[0, 0], score=[0.5, np.nan])
    box = make_boxes([[0, 0, 1, 1]], image=[0])
    with pytest.raises(InputError, match="no scores"):
        match_boxes(box, box)
    scored = make_boxes([[0, 0, 1, 1]], image=[0], score=[0.3])
    with pytest.raises(UsageError, match="thresholds"):
        match_boxes(scored, box, thresholds=(0.0,))
    with pytest.raises(UsageError, match="101-point"):
        average_precision(np.array([True]), lesions=1, method="11-point")
    with pytest.raises(UsageError, match="patient"):
        mean_average_precision(match_boxes(scored, box), resamples=5)
    with pytest.raises(UsageError, match="0 classes"):
        mean_average_precision({})
