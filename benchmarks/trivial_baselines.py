"""How far trivial rules get on phantoms: if they were enough, a phantom would teach a network nothing.

Usage: python benchmarks/trivial_baselines.py [differential tumor metastasis lytic fracture] [--patients 60] [--seed 0]

- differential, tumor, fracture: logistic regression, five folds by patient, on mean, SD and area inside the *true* mask
  of each lesion's largest slice, and age. To stay below an AUC of 0.75, age alone being free to carry what the study's
  age curve says.
- lytic: smoothed HU below a threshold inside the true bone, components scored by how far below and how large. To stay
  under 60 % sensitivity at one false positive a scan.
- metastasis: the same on contrast-enhanced minus plain T1 inside true vertebrae, a series being a station.

The masks are true, so these figures are upper bounds of what the rules would do on a real reading.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from osteon.geometry import Grid
from osteon.phantom.anatomy.person import draw_person
from osteon.phantom.ct.acquisition import draw_scanner
from osteon.phantom.ct.scan import draw_ct_scan
from osteon.phantom.ct.scan import scan_patient as scan_ct
from osteon.phantom.disease import Diagnosis, draw_diagnosis, draw_disease
from osteon.phantom.fracture_patient import draw_fracture_patient
from osteon.phantom.mr.patient import draw_mr_patient
from osteon.phantom.mr.protocol import draw_protocol
from osteon.phantom.mr.scan import Station
from osteon.phantom.mr.scan import scan_patient as scan_mr
from osteon.phantom.patient import draw_patient

if TYPE_CHECKING:
    from collections.abc import Callable

    from osteon.phantom.mr.patient import MrPatient

CROP_PX, CROP_PIXEL_MM = 160, 0.7
LYTIC_MM = (40.0, 220.0)
SPINE = ("vertebra", "sacrum")
Image = np.ndarray[Any, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """One row a lesion: features by name, the class, the patient."""

    names: tuple[str, ...]
    rows: list[list[float]]
    positive: list[bool]
    patient: list[int]

    def auc(self, names: tuple[str, ...] | None = None) -> tuple[float, float]:
        """Cross-validated AUC by lesion and by patient (mean score), on some of the features."""
        columns = [self.names.index(name) for name in names or self.names]
        x, y, groups = np.array(self.rows)[:, columns], np.array(self.positive), np.array(self.patient)
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, class_weight="balanced"))
        score = cross_val_predict(model, x, y, groups=groups, cv=GroupKFold(5), method="predict_proba")[:, 1]
        patients = np.unique(groups)
        mean = [score[groups == one].mean() for one in patients]
        truth = [y[groups == one].any() for one in patients]
        return float(roc_auc_score(y, score)), float(roc_auc_score(truth, mean))


def report(table: Table) -> dict[str, Any]:
    """AUC of all features, of age alone and of all but age."""
    without = tuple(name for name in table.names if name != "age")
    result: dict[str, Any] = {"lesions": len(table.rows), "patients": len(set(table.patient))}
    for name, names in (("all", table.names), ("age", ("age",)), ("without age", without)):
        by_lesion, by_patient = table.auc(names)
        result[f"AUC {name}"] = {"lesion": round(by_lesion, 3), "patient": round(by_patient, 3)}
    return result


def differential(patients: int, seed: int) -> dict[str, Any]:
    """Myeloma or metastasis: one slice a lesion, at most six lesions a patient."""
    table = Table(names=("mean", "SD", "area", "age"), rows=[], positive=[], patient=[])
    half = CROP_PX * CROP_PIXEL_MM / 2
    for index in range(patients):
        rng = np.random.default_rng([11, seed, index])
        diagnosis = draw_diagnosis("differential", rng)
        patient = draw_patient(rng, range_mm=(-120.0, 500.0), sites=SPINE, diagnosis=diagnosis)
        scanner = draw_scanner(rng, profile="full")
        scanner = replace(scanner, matrix=CROP_PX, pixel_mm=CROP_PIXEL_MM, spacing_mm=2.0)
        for number, spot in list(enumerate(patient.lesions, start=1))[:6]:
            x, y, z = np.mean(spot.solid.bounds(), axis=0)
            spacing = (CROP_PIXEL_MM, CROP_PIXEL_MM, 2.0)
            grid = Grid(shape=(1, CROP_PX, CROP_PX), spacing_mm=spacing, origin_mm=(x - half, y - half, z))
            hu, _, lesions, _ = scan_ct(patient, grid, scanner=scanner, table_mm=None)
            inside = hu[lesions == number]
            if inside.size < 12:
                continue
            table.rows.append([inside.mean(), inside.std(), inside.size * CROP_PIXEL_MM**2, diagnosis.age_years])
            table.positive.append(diagnosis.name == "metastasis")
            table.patient.append(index)
    return report(table)


def mr_patient(diagnosis: Diagnosis, rng: np.random.Generator) -> MrPatient:
    person = draw_person(rng, age_years=diagnosis.age_years, sex=diagnosis.sex)
    patient = draw_mr_patient(rng, person=person)
    disease = draw_disease(diagnosis, patient.bones, person, rng=rng)
    return patient.with_spots(disease.lesions, disease.mimics)


def is_malignant(diagnosis: Diagnosis) -> bool:
    return diagnosis.histology is not None and diagnosis.histology.malignant


def in_mask(station: Station, mask: Image, plane: int) -> list[float]:
    """Mean and SD of every series in a mask (row, column) of one slice, over the series' 99th percentile."""
    values = []
    for series in station.series:
        array = series.volume.array.astype(np.float32)
        image = ndimage.zoom(array[plane], np.array(mask.shape) / array.shape[1:], order=1)
        inside = image[mask] / np.percentile(array, 99)
        values += [float(inside.mean()), float(inside.std())]
    return values


def tumor(patients: int, seed: int) -> dict[str, Any]:
    """Benign or malignant: the largest slice of the first tumour, on all three sequences."""
    names = ("T1 mean", "T1 SD", "T2 mean", "T2 SD", "FS mean", "FS SD", "area", "age")
    table = Table(names=names, rows=[], positive=[], patient=[])
    for index in range(patients):
        rng = np.random.default_rng([12, seed, index])
        diagnosis = draw_diagnosis("tumor", rng)
        patient = mr_patient(diagnosis, rng)
        middle = np.mean(patient.lesions[0].solid.bounds(), axis=0)
        protocol = replace(draw_protocol(rng, study="tumor"), stations=1, slices=9)
        station = scan_mr(patient, protocol, target_mm=tuple(middle)).stations[0]
        add_slice(table, station, index=index, age=diagnosis.age_years, positive=is_malignant(diagnosis))
    return report(table)


def fracture(patients: int, seed: int) -> dict[str, Any]:
    """Benign or malignant fracture: mean and SD of the whole vertebra on its largest slice, T1 and T2."""
    table = Table(names=("T1 mean", "T1 SD", "T2 mean", "T2 SD", "area", "age"), rows=[], positive=[], patient=[])
    for index in range(patients):
        rng = np.random.default_rng([13, seed, index])
        malignant = bool(rng.random() < 50 / 190)
        drawn = draw_fracture_patient(rng, malignant=malignant)
        patient = draw_mr_patient(rng, person=drawn.patient.person, spine=drawn.patient.spine)
        patient = patient.with_spots(drawn.patient.lesions, drawn.patient.mimics)
        protocol = replace(draw_protocol(rng, study="fracture"), stations=1, slices=9)
        station = scan_mr(patient, protocol, target_mm=tuple(drawn.bone.centre)).stations[0]
        label, age = drawn.bone.label, drawn.patient.person.age_years
        add_slice(table, station, index=index, age=age, positive=malignant, label=label)
    return report(table)


def add_slice(
    table: Table, station: Station, *, index: int, age: float, positive: bool, label: int | None = None
) -> None:
    """A row of the slice where the lesions, or the vertebra of a label, are largest; none if there is nothing."""
    mask = station.lesions > 0 if label is None else station.vertebrae == label
    areas = mask.sum(axis=(1, 2))
    plane = int(np.argmax(areas))
    if areas[plane] < 12:
        return
    area = float(areas[plane]) * station.grid.spacing_mm[0] ** 2
    table.rows.append([*in_mask(station, mask[plane], plane), area, age])
    table.positive.append(positive)
    table.patient.append(index)


def sensitivity_at_one(hits: list[tuple[float, str]], lesions: int, scans: int) -> dict[str, float]:
    """Sensitivity where false positives reach one a scan.

    Args:
        hits: score and the lesion's name, empty for a false positive.
        lesions: how many there are.
        scans: how many were read.
    """
    found: set[str] = set()
    false = 0
    for _, name in sorted(hits, reverse=True):
        if name:
            found.add(name)
        else:
            false += 1
        if false > scans:
            break
    return {"lesions": lesions, "scans": scans, "sensitivity": round(len(found) / max(lesions, 1), 3)}


def components(
    score: Image,
    inside: Image,
    lesions: Image,
    *,
    least_px: int,
    scan: int,
) -> list[tuple[float, str]]:
    """Connected parts of ``inside`` with their summed score, and the lesion that each overlaps most."""
    labels, _ = ndimage.label(inside)
    hits = []
    for number, window in enumerate(ndimage.find_objects(labels), start=1):
        part = labels[window] == number
        if window is None or part.sum() < least_px:
            continue
        under = lesions[window][part]
        truth = np.bincount(under[under > 0]) if (under > 0).any() else None
        hit = truth is not None and (under > 0).mean() > 0.1
        name = f"{scan}:{int(np.argmax(truth))}" if hit and truth is not None else ""
        hits.append((float(score[window][part].sum()), name))
    return hits


def lytic(patients: int, seed: int) -> dict[str, Any]:
    """The best of a few HU thresholds on part of a whole-body CT."""
    scans = []
    for index in range(max(2, patients // 6)):
        scan = draw_ct_scan(np.random.default_rng([14, seed, index]), profile="small", range_mm=LYTIC_MM)
        smooth = ndimage.gaussian_filter(scan.volume.array.astype(np.float32), (0.4, 1.0, 1.0))
        inner = ndimage.distance_transform_edt(scan.sites > 0, sampling=scan.volume.grid.spacing_mm[::-1]) > 2.0
        scans.append((smooth, inner, scan.lesions, len(scan.truth)))
    best: dict[str, Any] = {"sensitivity": -1.0}
    for threshold in (0.0, 30.0, 60.0, 90.0, 120.0):
        hits = [
            hit
            for k, (smooth, inner, lesions, _) in enumerate(scans)
            for hit in components(threshold - smooth, inner & (smooth < threshold), lesions, least_px=8, scan=k)
        ]
        found = sensitivity_at_one(hits, sum(count for *_, count in scans), len(scans))
        if found["sensitivity"] > best["sensitivity"]:
            best = {"threshold HU": threshold, **found}
    return best


def metastasis(patients: int, seed: int) -> dict[str, Any]:
    """The best of a few thresholds on enhanced minus plain signal, both over their median in vertebrae."""
    scans = []
    for index in range(max(2, patients // 2)):
        rng = np.random.default_rng([15, seed, index])
        patient = mr_patient(draw_diagnosis("metastasis", rng), rng)
        protocol = replace(draw_protocol(rng, study="metastasis"), stations=1)
        station = scan_mr(patient, protocol).stations[0]
        bone = ndimage.binary_erosion(np.isin(station.sites, (1, 8)), np.ones((1, 3, 3)))
        images = {one.sequence.role: one.volume.array.astype(np.float32) for one in station.series}
        if not bone.any():
            continue
        shape = station.lesions.shape
        levels = {}
        for role, array in images.items():
            image = ndimage.zoom(array, np.array(shape) / array.shape, order=1)
            levels[role] = ndimage.gaussian_filter(image / np.median(image[bone]), (0, 0.8, 0.8))
        score = levels["ce"] - levels["t1"]
        scans.append((score, bone, station.lesions, int(len(np.unique(station.lesions)) - 1)))
    best: dict[str, Any] = {"sensitivity": -1.0}
    for threshold in (0.2, 0.4, 0.6, 0.9, 1.3):
        hits = [
            hit
            for k, (score, bone, lesions, _) in enumerate(scans)
            for hit in components(score - threshold, bone & (score > threshold), lesions, least_px=6, scan=k)
        ]
        found = sensitivity_at_one(hits, sum(count for *_, count in scans), len(scans))
        if found["sensitivity"] > best["sensitivity"]:
            best = {"threshold": threshold, **found}
    return best


RULES: dict[str, Callable[[int, int], dict[str, Any]]] = {
    "differential": differential,
    "tumor": tumor,
    "metastasis": metastasis,
    "lytic": lytic,
    "fracture": fracture,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("systems", nargs="*", choices=list(RULES))
    parser.add_argument("--patients", type=int, default=60, help="metastasis takes half, lytic a sixth of it")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name in options.systems or list(RULES):
        print(json.dumps({name: RULES[name](options.patients, options.seed)}), flush=True)


if __name__ == "__main__":
    main()
