"""A cohort that can be told apart: holes of myeloma are dark and even, those of metastasis are bright with grain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from osteon.systems.differential.config import DifferentialConfig
from tests.cohort.make import texture, write, write_case

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from osteon.cohort.manifest import Cohort

TINY = DifferentialConfig(
    backbone="tiny",
    input_px=32,
    field_mm=24.0,
    min_lesion_mm2=10.0,
    epochs=6,
    batch=8,
    learning_rate=2e-3,
    head=(16, 8),
    flip=False,
    validation_share=0.25,
    device="cpu",
)


def scan(seed: int, diagnosis: str) -> NDArray[np.int16]:
    """HU (z, y, x) with a hole where ``write_case`` puts the lesion mask."""
    hu = texture(seed, slices=5, side=40)
    rng = np.random.default_rng([seed, 1])
    middle = slice(16, 24)
    shape = hu[1:-1, middle, middle].shape
    hu[1:-1, middle, middle] = (
        rng.normal(-80, 10, shape) if diagnosis == "myeloma" else rng.normal(450, 150, shape)
    ).astype(np.int16)
    return hu


def write_cohort_of(root: Path, *, patients: int = 8, first: int = 0) -> Cohort:
    """Half of the patients have myeloma."""
    cases = []
    for k in range(first, first + patients):
        diagnosis = ("myeloma", "metastasis")[k % 2]
        cases.append(write_case(root, f"p{k}", scan(k, diagnosis), labels={"diagnosis": diagnosis}))
    return write(root, cases)
