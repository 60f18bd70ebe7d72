from __future__ import annotations

from dataclasses import replace

import numpy as np

from osteon.phantom.anatomy.calcifications import calcifications
from osteon.phantom.anatomy.person import draw_person
from osteon.phantom.anatomy.soft import soft_tissue
from osteon.phantom.anatomy.spine import build_spine


def test_they_increase_with_age_and_are_dense() -> None:
    counts = {}
    for age in (40.0, 85.0):
        person = replace(draw_person(np.random.default_rng(1)), age_years=age)
        spine = build_spine(person, np.random.default_rng(2))
        organs = soft_tissue(spine, person, rng=np.random.default_rng(3))
        drawn = [calcifications(spine, person, organs, rng=np.random.default_rng(k)) for k in range(12)]
        counts[age] = np.mean([len(one) for one in drawn])
        assert all(60 < organ.hu < 2600 for one in drawn for organ in one)
    assert counts[85.0] > 2 * counts[40.0]
