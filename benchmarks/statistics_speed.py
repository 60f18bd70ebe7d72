"""Speed of the statistics on one core: AUC resampled by patient, DeLong, permutation, a reader study.

Run as ``OMP_NUM_THREADS=1 python benchmarks/statistics_speed.py``. Times are CPU seconds of this process, so that other
work on the machine disturbs them little, and the best of ``--repeat``. The target is 2,000 patient bootstraps of an AUC
with 100,000 images in less than 10 s.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

import numpy as np

from osteon.evaluation.obuchowski_rockette import obuchowski_rockette
from osteon.evaluation.paired import permute_auc
from osteon.evaluation.readers import auc_covariance, auc_values
from osteon.evaluation.roc import auc_delong
from osteon.evaluation.roc_bootstrap import auc_bootstrap, roc_band

if TYPE_CHECKING:
    from collections.abc import Callable


def best(function: Callable[[], object], repeat: int) -> float:
    """CPU seconds of the fastest of ``repeat`` runs."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    """Print one line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--patients", type=int, default=2_000)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    images = options.images
    patient = rng.integers(0, options.patients, images)
    truth = rng.random(options.patients)[patient] < 0.3
    score = rng.normal(size=images) + truth + 0.5 * rng.normal(size=options.patients)[patient]
    rating = np.clip(np.round(score), 1, 5)
    readers_truth = np.arange(400) % 3 == 0
    readings = readers_truth + rng.normal(size=(2, 10, 400))

    def reader_study(method: str) -> None:
        covariance = auc_covariance(readers_truth, readings, np.arange(400), method=method)
        obuchowski_rockette(auc_values(readers_truth, readings), covariance, cases=400)

    few = slice(0, images // 10)
    work = {
        f"AUC, {images} images of {options.patients} patients, 2000 resamples": lambda: auc_bootstrap(
            truth, score, patient
        ),
        "the same with ratings 1 to 5 (ties)": lambda: auc_bootstrap(truth, rating, patient),
        "the same, every image its own patient": lambda: auc_bootstrap(truth, score, np.arange(images)),
        "ROC band, 2000 resamples": lambda: roc_band(truth, score, patient),
        "DeLong": lambda: auc_delong(truth, score),
        f"permutation of two AUCs, {images // 10} images, 2000 exchanges": lambda: permute_auc(
            truth[few], score[few], rating[few], patient[few]
        ),
        "reader study, 2 x 10 readers, 400 cases, jackknife": lambda: reader_study("jackknife"),
        "the same, DeLong": lambda: reader_study("delong"),
        "the same, bootstrap": lambda: reader_study("bootstrap"),
    }
    for name, function in work.items():
        print(f"{best(function, options.repeat):8.2f} s  {name}")


if __name__ == "__main__":
    main()
