"""How far trivial rules get on the fracture phantoms' own boxes: mean and SD of T1 and T2 in the box, its area, age.

Usage: python benchmarks/trivial_fracture.py [--patients 100] [--seed 0]

Logistic regression, ten times five folds by patient, on the middle one of the three boxed slices of each patient, as
many malignant as benign, in the scanner's own arbitrary grey levels. To stay below an AUC of 0.75, or the network of
the study would have had nothing to learn. ``trivial_baselines.py fracture`` does the same inside the true vertebra.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from osteon.phantom.cohorts.fracture import boxes, draw_fracture_protocol
from osteon.phantom.fracture_patient import draw_fracture_patient
from osteon.phantom.mr.scan import scan_patient

NAMES = ("T1 mean", "T1 SD", "T2 mean", "T2 SD", "area", "age")
REPEATS = 10


def row(seed: int, index: int, *, malignant: bool) -> list[float]:
    """The features of one patient, scanned in the small profile with five slices."""
    rng = np.random.default_rng([17, seed, index])
    fracture = draw_fracture_patient(rng, malignant=malignant)
    protocol = replace(draw_fracture_protocol(rng, centre="a", profile="small"), slices=5)
    x, y, z = (float(value) for value in fracture.bone.centre)
    scan = scan_patient(fracture.patient, protocol, target_mm=(x, y, z))
    slices = boxes(scan, fracture, rng)
    middle = slices[len(slices) // 2]
    box = middle.rectangles[0]
    values: list[float] = []
    for series in scan.stations[0].series:
        crop = series.volume.array[middle.slice_index, int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)]
        values += [float(crop.mean()), float(crop.std())]
    pixel = scan.stations[0].series[1].volume.grid.spacing_mm[0]
    return [*values, (box.x1 - box.x0) * (box.y1 - box.y0) * pixel**2, fracture.patient.person.age_years]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    truth = np.arange(options.patients) % 2 == 0
    table = np.array([row(options.seed, k, malignant=bool(m)) for k, m in enumerate(truth)])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    result: dict[str, object] = {"patients": len(truth), "malignant": int(truth.sum())}
    for name, columns in (("all", range(6)), ("age", (5,)), ("without age", range(5))):
        found = []
        for repeat in range(REPEATS):
            folds = StratifiedKFold(5, shuffle=True, random_state=repeat)
            score = cross_val_predict(model, table[:, list(columns)], truth, cv=folds, method="predict_proba")[:, 1]
            found.append(roc_auc_score(truth, score))
        result[name] = round(float(np.mean(found)), 3)
    result["each alone"] = {name: round(float(roc_auc_score(truth, table[:, k])), 3) for k, name in enumerate(NAMES)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
