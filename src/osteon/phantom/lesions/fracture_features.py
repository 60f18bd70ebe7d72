"""The 15 features of a fractured vertebra on MRI, drawn for one patient so that each is as common as printed.

Counts in 50 malignant and 140 benign fractures: doi 10.1007/s00586-022-07121-1, Table 1. What occurs together is not
printed; these are the rules, and none of them changes how common a feature is:

- *Absence of collapse* excludes wedge, whole-body and central concave collapse. *Anterior wedge* is defined by a back
  wall that keeps its height, so it excludes *compression of the entire body*. The printed counts of the four add up to
  more than the patients, by 13 (malignant) and 53 (benign): these are *central concave* end-plates on top of a wedge or
  a whole-body collapse; 1 and 6 patients have concave end-plates alone.
- *Homogeneous marrow* excludes every other change inside the vertebra, and needs a collapse (else nothing would be
  broken). *Band oedema* excludes *diffuse change over 3/4*. Of the benign, 17 have neither these nor homogeneous
  marrow: they have a patchy change of less than 3/4. Of the malignant, 4 have neither: they have a *nodule*.
- A *cleft* needs a collapse. A benign wall *protrudes* only where the vertebra collapsed, most often as a whole; a
  malignant one also without, most often beside a *soft-tissue mass*. Mass, arch involvement and nodule need tumour in
  the body, diffuse or as a nodule, but for the one benign mass (a haematoma), which needs a fresh collapse.
- Lesions in *other vertebrae* are commoner where the vertebra itself is obviously malignant: a guess.

How the joint distribution is made: features are added one after the other. Each has a weight for every combination
before it, 0 where impossible; probabilities are those weights scaled so that the printed share comes out exactly, and
1 where a rule demands the feature.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

NO_COLLAPSE = "absence_of_collapse"
WEDGE = "anterior_wedge_deformity"
WHOLE = "compression_of_entire_body"
CONCAVE = "central_concave_deformity"
HOMOGENEOUS = "homogeneous_marrow_signal"
LINE = "intravertebral_dark_line_or_band"
BAND = "band_pattern_marrow_edema"
PATCH = "intravertebral_dark_patch"
CLEFT = "fluid_or_necrotic_cleft"
DIFFUSE = "diffuse_signal_change_over_three_quarters"
NODULE = "intravertebral_mass_or_nodule"
PROTRUSION = "anterior_posterior_protrusion"
MASS = "epidural_paraspinal_soft_tissue_mass"
ARCH = "pedicle_and_posterior_element_involvement"
OTHERS = "coexisting_lesion_in_other_vertebra"
FEATURES = (
    NO_COLLAPSE,
    WEDGE,
    WHOLE,
    CONCAVE,
    HOMOGENEOUS,
    LINE,
    BAND,
    PATCH,
    CLEFT,
    DIFFUSE,
    NODULE,
    PROTRUSION,
    MASS,
    ARCH,
    OTHERS,
)
"""In the order of Table 1; keys as in the published counts (``evaluation.published``)."""
MALIGNANT, BENIGN = 50, 140
COUNTS = {
    NO_COLLAPSE: (17, 3),
    WEDGE: (7, 77),
    WHOLE: (25, 54),
    CONCAVE: (14, 59),
    HOMOGENEOUS: (0, 48),
    LINE: (0, 37),
    BAND: (2, 44),
    PATCH: (5, 14),
    CLEFT: (1, 8),
    DIFFUSE: (44, 31),
    NODULE: (11, 0),
    PROTRUSION: (16, 19),
    MASS: (22, 1),
    ARCH: (5, 0),
    OTHERS: (39, 8),
}
"""Malignant and benign fractures that show the feature."""
State = frozenset[str]
"""The features that are present."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """When a feature can and when it must be there, given the features before it in ``_RULES``."""

    feature: str
    weight: Callable[[State], float]
    must: Callable[[State], bool] = lambda state: False


def _needs(*wanted: str) -> Callable[[State], float]:
    return lambda state: float(any(feature in state for feature in wanted))


def _without(*excluded: str) -> Callable[[State], float]:
    return lambda state: float(not any(feature in state for feature in excluded))


def _unshaped(state: State) -> bool:
    return not state & {NO_COLLAPSE, WEDGE, WHOLE}


def _unmarked(state: State) -> bool:
    return not state & {DIFFUSE, BAND}


def _in_tumour(state: State, *, beside: str = "", times: float = 1.0) -> float:
    return (times if beside in state else 1.0) * float(bool(state & {DIFFUSE, NODULE}))


def _obvious(state: State) -> float:
    return 1.6 if state & {MASS, NODULE, ARCH, PROTRUSION} else 1.0


def _collapse_weight(state: State) -> float:
    return 0.0 if NO_COLLAPSE in state else 2.0 if WHOLE in state else 0.5 if WEDGE in state else 1.0


_SHAPE = (
    _Rule(NO_COLLAPSE, lambda state: 1.0),
    _Rule(WEDGE, _without(NO_COLLAPSE)),
    _Rule(WHOLE, _without(NO_COLLAPSE, WEDGE)),
    _Rule(CONCAVE, _without(NO_COLLAPSE), _unshaped),
)
_RULES = {
    True: (
        *_SHAPE,
        _Rule(DIFFUSE, lambda state: 1.0),
        _Rule(BAND, _without(DIFFUSE, NO_COLLAPSE)),
        _Rule(NODULE, _without(BAND), _unmarked),
        _Rule(PATCH, lambda state: 1.0),
        _Rule(CLEFT, lambda state: _without(NO_COLLAPSE)(state) * _needs(DIFFUSE)(state)),
        _Rule(MASS, _in_tumour),
        _Rule(PROTRUSION, lambda state: _in_tumour(state, beside=MASS, times=3.0)),
        _Rule(ARCH, lambda state: _in_tumour(state, beside=MASS, times=3.0)),
        _Rule(OTHERS, _obvious),
    ),
    False: (
        *_SHAPE,
        _Rule(HOMOGENEOUS, _without(NO_COLLAPSE)),
        _Rule(DIFFUSE, _without(HOMOGENEOUS)),
        _Rule(BAND, _without(HOMOGENEOUS, DIFFUSE)),
        _Rule(LINE, lambda state: _without(HOMOGENEOUS)(state) * (0.5 if DIFFUSE in state else 1.0)),
        _Rule(PATCH, lambda state: _without(HOMOGENEOUS)(state) * (0.5 if LINE in state else 1.0)),
        _Rule(CLEFT, _without(HOMOGENEOUS, NO_COLLAPSE)),
        _Rule(PROTRUSION, _collapse_weight),
        _Rule(MASS, _without(HOMOGENEOUS, NO_COLLAPSE)),
        _Rule(OTHERS, lambda state: 1.0),
    ),
}


@cache
def combinations(*, malignant: bool) -> dict[State, float]:
    """Every possible combination of features with its probability; they add up to 1."""
    found: dict[State, float] = {frozenset(): 1.0}
    for rule in _RULES[malignant]:
        counts = COUNTS[rule.feature]
        found = _added(found, rule, share=counts[0] / MALIGNANT if malignant else counts[1] / BENIGN)
    return found


def _added(before: dict[State, float], rule: _Rule, *, share: float) -> dict[State, float]:
    """The distribution with one more feature, present in ``share`` of the patients."""
    certain = sum(p for state, p in before.items() if rule.must(state))
    weights = {state: 0.0 if rule.must(state) else rule.weight(state) for state in before}
    scale = (share - certain) / max(sum(p * weights[state] for state, p in before.items()), 1e-12)
    after: dict[State, float] = {}
    for state, p in before.items():
        present = 1.0 if rule.must(state) else min(scale * weights[state], 1.0)
        for key, part in ((state | {rule.feature}, present), (state, 1.0 - present)):
            if p * part > 0:
                after[key] = after.get(key, 0.0) + p * part
    return after


def draw_features(rng: np.random.Generator, *, malignant: bool) -> State:
    """The features of one patient's abnormal vertebra."""
    found = combinations(malignant=malignant)
    states = list(found)
    weights = np.array([found[state] for state in states])
    return states[int(rng.choice(len(states), p=weights / weights.sum()))]
