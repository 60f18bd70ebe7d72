"""Sizes of the vertebrae by level, and columns with one more or one fewer.

Sources as in ``spine``. Columns: one more mobile vertebra in 18 of 418 people, one fewer in 14
(doi 10.1007/s13244-016-0468-7); 13 pairs of ribs in 0.4 %, 11 pairs in 8 % of 1340, most of whom have another number of
lumbar vertebrae (synapse.koreamed.org/articles/1158507).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, slots=True)  # not keyword-only: LEVELS is a table
class Level:
    """Mean sizes of one vertebra of an adult man of 175 cm.

    Attributes:
        name: "L5".
        label: VerSe number.
        width, depth: of the end-plates, mean of both, mm.
        height: of the body, mean of front and back, mm.
        wedge_deg: positive where the front is lower.
        canal_width, canal_depth: mm.
        pedicle_width, pedicle_height: mm.
        spinous: from the front wall of the canal to the tip of the spinous process, mm.
        spinous_slope_deg: how far it points down.
        transverse: from tip to tip of the transverse processes, mm.
        disc_below: height of the disc under the vertebra, mm.
        marrow: trabecular density against L1.
    """

    name: str
    label: int
    width: float
    depth: float
    height: float
    wedge_deg: float
    canal_width: float
    canal_depth: float
    pedicle_width: float
    pedicle_height: float
    spinous: float
    spinous_slope_deg: float
    transverse: float
    disc_below: float
    marrow: float


LEVELS = (
    # name, label, width, depth, height, wedge, canal width, depth, pedicle width, height, spinous, slope, transverse,
    # disc below, marrow
    Level("L5", 24, 48.5, 34.5, 24.5, -7.0, 27.1, 19.7, 16.0, 14.0, 48, 12, 92, 10.5, 1.00),
    Level("L4", 23, 48.0, 34.7, 25.0, -2.0, 25.4, 18.6, 12.9, 14.8, 55, 12, 79, 11.0, 0.95),
    Level("L3", 22, 46.0, 35.0, 25.0, 0.0, 24.3, 17.5, 10.3, 14.9, 58, 12, 86, 10.0, 0.95),
    Level("L2", 21, 44.0, 34.8, 25.0, 1.5, 23.8, 18.2, 8.9, 15.0, 58, 12, 76, 9.0, 0.97),
    Level("L1", 20, 42.3, 34.7, 24.5, 3.0, 23.7, 19.0, 8.7, 15.4, 56, 14, 71, 8.0, 1.00),
    Level("T12", 19, 40.5, 33.1, 23.5, 3.5, 22.2, 18.1, 7.1, 15.8, 50, 18, 47, 6.5, 1.05),
    Level("T11", 18, 37.0, 31.9, 22.0, 4.0, 19.4, 16.0, 7.8, 17.4, 49, 28, 50, 5.5, 1.08),
    Level("T10", 17, 33.7, 31.0, 20.8, 4.0, 18.2, 15.5, 6.3, 14.9, 50, 40, 54, 5.0, 1.12),
    Level("T9", 16, 31.8, 30.2, 20.0, 3.5, 17.9, 16.0, 6.1, 13.9, 51, 48, 57, 4.6, 1.15),
    Level("T8", 15, 30.0, 28.7, 19.3, 4.0, 17.7, 16.0, 5.9, 12.5, 51, 56, 58, 4.3, 1.18),
    Level("T7", 14, 28.5, 28.0, 18.8, 4.0, 17.0, 16.0, 5.3, 12.1, 52, 58, 59, 4.0, 1.20),
    Level("T6", 13, 27.2, 26.5, 18.0, 4.0, 17.3, 16.0, 5.2, 12.2, 52, 57, 60, 3.8, 1.22),
    Level("T5", 12, 26.0, 25.1, 17.0, 3.5, 17.2, 16.0, 4.7, 11.9, 52, 52, 62, 3.5, 1.24),
    Level("T4", 11, 25.3, 23.9, 16.8, 3.0, 17.0, 16.0, 4.9, 12.1, 50, 45, 64, 3.3, 1.25),
    Level("T3", 10, 25.3, 23.0, 16.2, 2.5, 18.3, 16.0, 5.6, 12.4, 49, 38, 66, 3.3, 1.28),
    Level("T2", 9, 26.2, 20.6, 16.0, 2.0, 19.5, 16.0, 7.0, 12.0, 48, 32, 70, 3.6, 1.30),
    Level("T1", 8, 26.2, 19.1, 14.6, 1.5, 21.8, 16.4, 7.9, 9.9, 49, 26, 75, 4.2, 1.35),
    Level("C7", 7, 24.0, 17.5, 12.8, 0.0, 24.5, 15.2, 6.6, 7.5, 46, 22, 67, 4.4, 1.6),
    Level("C6", 6, 21.5, 17.5, 11.6, 0.0, 25.8, 18.1, 6.0, 7.3, 34, 20, 50, 4.6, 1.8),
    Level("C5", 5, 19.5, 16.6, 11.5, 0.0, 24.9, 17.4, 5.6, 7.0, 29, 20, 50, 4.6, 1.9),
    Level("C4", 4, 18.2, 15.7, 11.5, 0.0, 24.7, 17.7, 5.4, 7.4, 29, 20, 49, 4.6, 1.95),
    Level("C3", 3, 17.2, 15.4, 11.7, 0.0, 22.9, 16.2, 5.6, 7.4, 29, 18, 48, 4.6, 1.9),
    Level("C2", 2, 17.5, 15.6, 18.0, 0.0, 24.5, 21.0, 8.0, 9.0, 33, 15, 50, 4.6, 1.8),
)
VARIANTS = {"": 0.904, "L6": 0.043, "L4": 0.026, "T13": 0.006, "T11": 0.021}
"""Share of people whose lowest lumbar or thoracic vertebra is this one, for all but the usual L5 and T12."""


def column(variant: str) -> tuple[Level, ...]:
    """The levels of a patient from the lowest lumbar vertebra to C2; labels as in VerSe (T13 is 28, L6 is 25).

    Args:
        variant: a key of ``VARIANTS``.
    """
    low, high = list(LEVELS[:5]), list(LEVELS[5:])
    if variant == "L6":
        low = [replace(low[0], name="L6", label=25), replace(low[1], name="L5", label=24), *low[1:]]
    elif variant == "L4":
        low = [replace(low[0], name="L4", label=23), *low[2:]]
    elif variant == "T13":
        high = [replace(high[0], name="T13", label=28), *high]
    elif variant == "T11":
        high = [replace(high[0], name="T11", label=18), *high[2:]]
    return (*low, *high)


def place_in_table(levels: tuple[Level, ...], index: float) -> float:
    """Where level ``index`` of a column (from its lowest) lies in ``LEVELS``, regions stretched to the same length."""
    lumbar = sum(level.name[0] == "L" for level in levels)
    thoracic = sum(level.name[0] == "T" for level in levels)
    return float(np.interp(index, [-1, lumbar, lumbar + thoracic, len(levels) - 1], [-1, 5, 17, len(LEVELS) - 1]))
