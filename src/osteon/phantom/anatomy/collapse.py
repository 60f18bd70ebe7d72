"""A fractured vertebral body: wedged, flattened or with sunken end-plates, its walls straight, bulging or pushed out.

Grades of height loss after Genant (20 to 25 %, 25 to 40 %, more; doi 10.1002/jbmr.5650080915). How far walls bulge, how
the grades are spread, and how much of a wedge's kyphosis the column above makes up for are guesses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.anatomy.shapes import Ellipsoid, Limb

if TYPE_CHECKING:
    from osteon.phantom.anatomy.shapes import Solid, VertebralBody

GRADES = ((0.21, 0.25), (0.25, 0.40), (0.40, 0.62))
"""Height loss of Genant's grades 1 to 3; above 62 % a body would be thinner than its marrow changes."""
GRADE_SHARES = (0.2, 0.45, 0.35)
FLAT_HOLLOW, SUNKEN_HOLLOW = (0.04, 0.12), (0.38, 0.54)
"""Depth of both end-plate concavities together, as a share of the wall height: without and with concave collapse.
A quarter is seen in healthy small vertebrae: a fractured one is drawn either flatter or clearly sunken."""
_LEAST_MIDDLE_MM = 4.5
_KEPT_KYPHOSIS, _MADE_UP_LEVELS = 0.45, 4.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Collapse:
    """What became of a vertebral body.

    Attributes:
        front, back: anterior and posterior height as shares of the heights before, above 0 to 1.
        hollow: depth of both end-plate concavities together, as a share of the mean wall height; None leaves them.
        upper_share: the upper end-plate's part of it.
        bulge_back_mm: how far the middle of the back wall stands behind the end-plates' back ends; None for no bulge.
        bulge_front_mm: the same of the front wall.
        corner_mm: how far the upper back corner is pushed into the canal, from the end-plates' back ends; None if not.
    """

    front: float = 1.0
    back: float = 1.0
    hollow: float | None = None
    upper_share: float = 0.5
    bulge_back_mm: float | None = None
    bulge_front_mm: float | None = None
    corner_mm: float | None = None


def genant_grade(loss: float) -> int:
    """Genant's grade, 0 to 3, of a share of height lost."""
    return int(np.searchsorted((0.20, 0.25, 0.40), loss, side="right"))


def draw_collapse(rng: np.random.Generator, *, wedge: bool, whole: bool, concave: bool) -> Collapse:
    """Heights of a fractured body; with none of the three it keeps its shape, but for a loss of up to 4 %.

    Args:
        rng: randomness.
        wedge: lower in front, the back wall keeps its height.
        whole: lower in front and behind; without meaning where ``wedge`` is set.
        concave: both end-plates sunken, alone or on top.
    """
    low, high = GRADES[int(rng.choice(3, p=GRADE_SHARES))]
    loss = float(rng.uniform(low, high))
    front, back = (float(share) for share in rng.uniform(0.96, 1.0, 2))
    if wedge:
        front, back = 1 - max(loss, 0.25), float(rng.uniform(0.93, 1.0))
    elif whole:
        behind = float(np.clip(loss * rng.uniform(0.75, 1.0), 0.21, 0.55))
        front, back = 1 - max(loss, behind), 1 - behind
    return Collapse(
        front=front,
        back=back,
        hollow=float(rng.uniform(*(SUNKEN_HOLLOW if concave else FLAT_HOLLOW))),
        upper_share=float(rng.uniform(0.45, 0.65)),
    )


def with_protrusion(collapse: Collapse, rng: np.random.Generator, *, malignant: bool) -> Collapse:
    """The fracture with a wall that protrudes: bulging in cancer, mostly a retropulsed corner after a benign fracture.

    A retropulsed corner is the benign sign of the two (16 % of benign fractures, none malignant; Uetani 2004).
    """
    front = float(rng.uniform(2.5, 5.0)) if rng.random() < 0.35 else None
    if malignant or rng.random() < 0.3:
        return replace(collapse, bulge_back_mm=float(rng.uniform(1.0, 3.5)), bulge_front_mm=front)
    return replace(collapse, corner_mm=float(rng.uniform(1.5, 3.5)), bulge_front_mm=front)


def collapsed(body: VertebralBody, collapse: Collapse) -> VertebralBody:
    """The body after the fracture, about the same centre; its middle keeps at least 4.5 mm."""
    front, back = max(body.front_mm * collapse.front, 5.0), max(body.back_mm * collapse.back, 5.0)
    walls = (front + back) / 2
    if collapse.hollow is None:
        return replace(body, front_mm=front, back_mm=back)
    hollow = min(collapse.hollow * walls, walls - _LEAST_MIDDLE_MM)
    return replace(
        body,
        front_mm=front,
        back_mm=back,
        hollow_up_mm=hollow * collapse.upper_share,
        hollow_low_mm=hollow * (1 - collapse.upper_share),
        waist=min(body.waist, 0.08),
    )


def protrusions(body: VertebralBody, collapse: Collapse) -> tuple[Solid, ...]:
    """What the walls of a collapsed body push out: solids to be joined with it."""
    solids: list[Solid] = []
    wide, deep, high = body.width_mm, body.depth_mm, (body.front_mm + body.back_mm) / 2

    def ball(centre_y: float, reach_y: float, height: float) -> Ellipsoid:
        radii = np.array([0.36 * wide, abs(reach_y - centre_y), 0.43 * height])
        return Ellipsoid(body.centre + body.frame @ np.array([0.0, centre_y, 0.0]), radii, body.frame)

    if collapse.bulge_back_mm is not None:
        solids.append(ball(0.18 * deep, deep / 2 + collapse.bulge_back_mm, body.back_mm))
    if collapse.bulge_front_mm is not None:
        solids.append(ball(-0.2 * deep, -deep / 2 - collapse.bulge_front_mm, min(body.front_mm, high)))
    if collapse.corner_mm is not None:
        up, end = body.back_mm / 2, deep / 2 + collapse.corner_mm
        thick = min(5.0, 0.4 * body.back_mm)
        start = body.centre + body.frame @ np.array([0, 0.15 * deep, up - thick])
        tip = body.centre + body.frame @ np.array([0, end - 0.7 * thick, up - 0.9 * thick])
        solids.append(Limb(start, tip, thick, 0.7 * thick, (2.0, 1.0, 1.0), body.frame))
    return tuple(solids)


def into_canal_mm(collapse: Collapse) -> float:
    """How far the fracture reaches behind the end-plates' back ends; 0 where nothing protrudes."""
    return max(collapse.bulge_back_mm or 0.0, collapse.corner_mm or 0.0)


def kyphosis_deg(collapse: Collapse, *, height_mm: float, wedge_deg: float, depth_mm: float) -> float:
    """By how much a fracture tips the column above forwards.

    Args:
        collapse: the fracture.
        height_mm: mean height of the body before.
        wedge_deg: its wedge before.
        depth_mm: of its end-plates.
    """
    lean = depth_mm * np.tan(np.deg2rad(wedge_deg)) / 2
    front, back = (height_mm - lean) * collapse.front, (height_mm + lean) * collapse.back
    return float(np.rad2deg(np.arctan((back - front) / depth_mm)) - wedge_deg)


def share_of_kyphosis(levels_above: float) -> float:
    """Share of a kyphosis that is left so many levels above the fracture: all of it next to it, 45 % far above.

    Half of it within the fractured vertebra itself, whose own axis lies between its two end-plates; none below.
    """
    if levels_above <= 0.5:
        return float(np.clip(levels_above + 0.5, 0, 1))
    return _KEPT_KYPHOSIS + (1 - _KEPT_KYPHOSIS) * float(np.exp((0.5 - levels_above) / _MADE_UP_LEVELS))
