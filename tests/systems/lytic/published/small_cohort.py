"""A cohort of blocks of bone with dark balls, as NIfTI: small enough to run the whole study in seconds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from osteon.cohort.manifest import Case, Cohort, write_cohort
from osteon.formats.nifti import write_nifti
from osteon.geometry import Grid

if TYPE_CHECKING:
    from pathlib import Path

SHAPE, SPACING = (18, 48, 48), (1.5, 1.5, 2.0)
TINY = {
    "data": {
        "test_share": 0.25, "bone_share": 0.34, "folds": 2, "slices_per_segment": 2, "slices_per_patient": 6,
        "test_slices": 6,
    },
    "bone": {"size": 48, "crop": 32, "channels": [4, 8], "residual_units": 0, "epochs": 2, "crops": 2, "batch": 4,
             "first_logit": 0.0},
    "detection": {"size": "n", "members": 2, "image": 64, "crop": 32, "epochs": 2, "batch": 4, "ema_decay": 0.9},
    "grid": {"learning_rate": [0.01, 0.001], "scale": [0.5], "epochs": 1},
}  # fmt: skip


def make_cohort(root: Path, *, patients: int = 9, lesions: bool = True, seed: int = 0) -> Cohort:
    """Every patient has a block of bone; all but the first two have two balls in it."""
    rng = np.random.default_rng(seed)
    cases = []
    for number in range(patients):
        name = f"s{number:02d}"
        folder = root / name
        folder.mkdir(parents=True)
        grid = Grid(shape=SHAPE, spacing_mm=SPACING, origin_mm=(0.0, 0.0, 100.0 * number))
        z, y, x = np.indices(SHAPE)
        bone = (abs(x - 24) < 14) & (abs(y - 24) < 12)
        hu = np.where(bone, 500, 40) + rng.normal(0, 20, SHAPE)
        labels = np.zeros(SHAPE, np.uint16)
        table = []
        for k in range(2 if lesions and number >= 2 else 0):
            centre = rng.uniform((4, 18, 16), (14, 30, 32))
            ball = (2 * (z - centre[0])) ** 2 + (1.5 * (y - centre[1])) ** 2 + (1.5 * (x - centre[2])) ** 2 < 6.0**2
            labels[ball & (labels == 0)] = k + 1
            middle = grid.to_mm(centre[::-1])
            table.append({"number": k + 1, "diameter_mm": 12.0, "volume_mm3": 900.0, "centre_mm": middle.tolist()})
        hu[labels > 0] = 40
        write_nifti(folder / "ct.nii.gz", np.rint(hu).astype(np.int16), grid)
        write_nifti(folder / "bone.nii.gz", bone.astype(np.uint8), grid)
        write_nifti(folder / "lesions.nii.gz", labels, grid)
        (folder / "lesions.json").write_text(json.dumps({"lesions": table, "mimics": []}))
        truth = {"bone": "bone.nii.gz", "lesions": "lesions.nii.gz", "lesion_table": "lesions.json"}
        cases.append(
            Case(
                case=name,
                patient=name,
                study=f"{name}/ct.nii.gz",
                age_years=50.0 + number,
                sex="F" if number % 2 else "M",
                labels={"lesions": len(table)},
                truth={kind: f"{name}/{file}" for kind, file in truth.items()},
            )
        )
    cohort = Cohort(root=root, name="blocks", modality="CT", system="lytic", cases=tuple(cases), kind="phantom")
    write_cohort(cohort)
    return cohort
