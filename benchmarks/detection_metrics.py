"""Speed of the detection figures on one core: mAP against pycocotools, FROC with a bootstrap by patient.

Run as ``OMP_NUM_THREADS=1 python benchmarks/detection_metrics.py``. Each time is the best of ``--repeat``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import time
from typing import TYPE_CHECKING

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from osteon.evaluation.average_precision import Boxes, make_boxes, match_boxes
from osteon.evaluation.froc import froc
from osteon.evaluation.matching import detections_from_candidates
from osteon.evaluation.mean_ap import mean_average_precision

if TYPE_CHECKING:
    from collections.abc import Callable


def _cohort(images: int, *, per_image: int, classes: int) -> tuple[Boxes, Boxes]:
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 8, images)
    image = np.repeat(np.arange(images), counts)
    low = rng.uniform(0, 450, (image.size, 2))
    true = make_boxes(
        np.hstack([low, low + rng.uniform(5, 60, low.shape)]), image=image, label=rng.integers(0, classes, image.size)
    )
    near = rng.integers(0, image.size, images * per_image // 2)
    edges = true.edges[near] + rng.normal(0, 3, (near.size, 4))
    edges[:, 2:] = np.maximum(edges[:, 2:], edges[:, :2] + 1)
    low = rng.uniform(0, 450, (images * per_image - near.size, 2))
    far = np.hstack([low, low + rng.uniform(5, 60, low.shape)])
    predicted = make_boxes(
        np.vstack([edges, far]),
        image=np.r_[image[near], rng.integers(0, images, len(far))],
        label=np.r_[true.label[near], rng.integers(0, classes, len(far))],
        score=rng.random(images * per_image),
    )
    return predicted, true


def _coco_json(predicted: Boxes, true: Boxes, images: int) -> tuple[COCO, COCO]:
    def rows(boxes: Boxes) -> list[dict]:
        sides = np.hstack([boxes.edges[:, :2], boxes.edges[:, 2:] - boxes.edges[:, :2]])
        return [
            {"id": n + 1, "image_id": int(i), "category_id": int(c), "bbox": b.tolist(), "area": float(b[2] * b[3])}
            for n, (i, c, b) in enumerate(zip(boxes.image, boxes.label, sides, strict=True))
        ]

    truth = COCO()
    truth.dataset = {
        "images": [{"id": i} for i in range(images)],
        "categories": [{"id": int(c)} for c in np.unique(true.label)],
        "annotations": [row | {"iscrowd": 0} for row in rows(true)],
    }
    truth.createIndex()
    results = [row | {"score": float(s)} for row, s in zip(rows(predicted), predicted.score, strict=True)]
    return truth, truth.loadRes(results)


def _pycocotools(truth: COCO, results: COCO, *, all_areas: bool) -> float:
    run = COCOeval(truth, results, "bbox")
    if not all_areas:
        run.params.areaRng, run.params.areaRngLbl, run.params.maxDets = [[0, 1e10]], ["all"], [100]
    run.evaluate()
    run.accumulate()
    precision = run.eval["precision"][..., 0, -1]
    return float(precision[precision > -1].mean())


def _best(repeat: int, work: Callable[[], float]) -> tuple[float, float]:
    seconds, value = np.inf, 0.0
    for _ in range(repeat):
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            value = work()
        seconds = min(seconds, time.perf_counter() - start)
    return seconds, value


def _map_lines(images: int, per_image: int, repeat: int) -> None:
    for classes in (1, 3, 20):
        predicted, true = _cohort(images, per_image=per_image, classes=classes)
        with contextlib.redirect_stdout(io.StringIO()):
            truth, results = _coco_json(predicted, true, images)
        patient = np.arange(images) // 25
        for name, work in (
            ("osteon", lambda p=predicted, t=true: mean_average_precision(match_boxes(p, t)).mean.value),
            ("pycocotools, area all", lambda a=truth, b=results: _pycocotools(a, b, all_areas=False)),
            ("pycocotools, default", lambda a=truth, b=results: _pycocotools(a, b, all_areas=True)),
        ):
            seconds, value = _best(repeat, work)
            print(f"mAP, {images} images x {per_image} boxes, {classes} classes: {seconds:7.2f} s  {value:.6f}  {name}")
        matches = match_boxes(predicted, true)
        seconds, value = _best(
            1, lambda m=matches, p=patient: mean_average_precision(m, patient=p, resamples=200).mean.value
        )
        print(f"mAP with 200 resamples by patient: {seconds:7.2f} s  {value:.6f}  osteon")


def _froc_line(scans: int, per_scan: int, resamples: int, repeat: int) -> None:
    rng = np.random.default_rng(0)
    lesions = rng.integers(1, 8, scans)
    case = np.repeat(np.arange(scans), per_scan)
    hit = rng.random(case.size) < 0.1
    lesion = np.where(hit, (rng.random(case.size) * lesions[case]).astype(int), -1)
    score = rng.random(case.size) * np.where(hit, 1, 0.8)
    found = detections_from_candidates(
        case=case, score=score, lesion=lesion, lesions_per_case=lesions, patient=np.arange(scans)
    )
    seconds, value = _best(repeat, lambda: froc(found, resamples=resamples).cpm.value)
    print(f"FROC, {scans} scans x {per_scan} candidates, {resamples} resamples: {seconds:7.2f} s  CPM {value:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--per-image", type=int, default=20)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    _froc_line(1000, 50, 2000, options.repeat)
    _map_lines(options.images, options.per_image, options.repeat)


if __name__ == "__main__":
    main()
