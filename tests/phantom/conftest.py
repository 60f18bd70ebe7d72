"""One phantom scan that many tests look at, and patients to render coarsely."""

from __future__ import annotations

import numpy as np
import pytest

from osteon.geometry import Grid
from osteon.phantom.ct.render import Slab, render
from osteon.phantom.ct.scan import CtScan, draw_ct_scan
from osteon.phantom.patient import CtPatient, draw_patient

LUMBAR_MM = (0.0, 60.0)


@pytest.fixture(scope="session")
def scan() -> CtScan:
    """L5 to L4 in the small profile; this seed has lesions, seen and unseen, and mimics."""
    return draw_ct_scan(np.random.default_rng([1, 1, 21]), profile="small", range_mm=LUMBAR_MM)


@pytest.fixture(scope="session")
def patient() -> CtPatient:
    """Diaphragm to pelvis of a lean patient without contrast agent, with lesions and every kind of mimic."""
    drawn = draw_patient(np.random.default_rng(1), range_mm=(-60.0, 300.0), mean_lesions=30.0)
    assert drawn.person.contrast_hu == 0
    return drawn


def coarse_grid(low_mm: float, high_mm: float, *, pixel_mm: float = 4.2, spacing_mm: float = 5.0) -> Grid:
    count = round(420 / pixel_mm)
    return Grid(
        shape=(int((high_mm - low_mm) / spacing_mm), count, count),
        spacing_mm=(pixel_mm, pixel_mm, spacing_mm),
        origin_mm=(-210.0, -235.0, low_mm),
    )


def whole(patient: CtPatient, grid: Grid) -> Slab:
    """Render in one slab."""
    return next(iter(render(patient, grid, slab_slices=grid.shape[0])))[1]
