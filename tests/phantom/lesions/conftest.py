"""A spine with all its bones, drawn once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from osteon.phantom.anatomy.person import Person, draw_person
from osteon.phantom.anatomy.skeleton import build_skeleton
from osteon.phantom.anatomy.spine import build_spine
from osteon.phantom.lesions.places import region

if TYPE_CHECKING:
    from osteon.phantom.anatomy.bones import Bone


@pytest.fixture(scope="package")
def somebody() -> Person:
    drawn = draw_person(np.random.default_rng(2), age_years=66.0)
    return replace(drawn, degeneration=0.5, contrast_hu=0.0)


@pytest.fixture(scope="package")
def skeleton(somebody: Person) -> tuple[Bone, ...]:
    return build_skeleton(build_spine(somebody, np.random.default_rng(3)), somebody, rng=np.random.default_rng(4))


@pytest.fixture(scope="package")
def column(skeleton: tuple[Bone, ...]) -> tuple[Bone, ...]:
    """Vertebrae and sacrum."""
    return tuple(bone for bone in skeleton if region(bone))
