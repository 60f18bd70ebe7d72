"""How far trivial rules get on the fracture phantoms' own boxes: mean and SD of T1 and T2 in the box, its area, age.

Usage: python benchmarks/trivial_fracture.py [--patients 100] [--seed 0] [--jobs 1]

Logistic regression, five folds by patient, on the middle one of the three boxed slices of each patient, as stored: grey
levels in the scanner's own arbitrary units. To stay below an AUC of 0.75, or the network of the study would have had
nothing to learn. ``trivial_baselines.py fracture`` does the same inside the true vertebra instead of the box.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import pydicom
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from osteon.phantom.cohort import PhantomOptions, make_cohort


def row(case: Path, age_years: float) -> list[float]:
    """The features of one case's middle boxed slice."""
    boxes = sorted((case / "boxes").glob("*.json"))
    document = json.loads(boxes[len(boxes) // 2].read_text(encoding="utf-8"))
    (x0, y0), (x1, y1) = document["shapes"][0]["points"][0], document["shapes"][0]["points"][-1]
    name = Path(document["imagePath"]).name
    values: list[float] = []
    for series in ("01-t1", "02-t2"):
        found = pydicom.dcmread(case / "study" / series / name)
        crop = found.pixel_array[round(y0) : round(y1), round(x0) : round(x1)]
        values += [float(crop.mean()), float(crop.std())]
        spacing = float(found.PixelSpacing[0])
    return [*values, (x1 - x0) * (y1 - y0) * spacing**2, age_years]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wanted = PhantomOptions(system="fracture", patients=options.patients, seed=options.seed)
        cohort = make_cohort(wanted, Path(folder) / "cohort", jobs=options.jobs)
        table = np.array([row(cohort.root / "cases" / case.case, case.age_years or 0.0) for case in cohort.cases])
        truth = np.array([bool(case.labels["malignant"]) for case in cohort.cases])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, class_weight="balanced"))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    result: dict[str, object] = {"patients": len(truth), "malignant": int(truth.sum())}
    for name, columns in (("all", range(6)), ("age", (5,)), ("without age", range(5))):
        score = cross_val_predict(model, table[:, list(columns)], truth, cv=folds, method="predict_proba")[:, 1]
        result[name] = round(float(roc_auc_score(truth, score)), 3)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
