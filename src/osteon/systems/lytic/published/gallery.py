"""The study's figures 7 and 8: what the algorithm took for lesions, and which lesions it missed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.report.pictures import Picture, Rectangle, enlarge, jpeg_uri
from osteon.systems.lytic.published.judge import matched
from osteon.systems.lytic.published.slices import SEGMENTS, grey, open_slices

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from osteon.systems.lytic.published.config import BonePart
    from osteon.systems.lytic.published.judge import SliceResult

MOST = 8
SIDE_MM = 70.0
SIDE_PX = 180
MAX_BYTES = 20_000


def galleries(
    slices: Sequence[SliceResult], folder: Path, *, hit_iou: float, threshold: float, bone: BonePart
) -> tuple[tuple[Picture, ...], tuple[Picture, ...]]:
    """The surest false positives, and the largest lesions that nothing found, up to ``MOST`` each.

    Args:
        slices: of the test.
        folder: where ``slices.keep_slices`` keeps them.
        hit_iou: overlap from which a box finds a lesion.
        threshold: smallest score that is shown.
        bone: whose window the pictures have.
    """
    false: list[tuple[float, int, int]] = []
    missed: list[tuple[float, int, int]] = []
    for number, one in enumerate(slices):
        outcome = matched([one], hit_iou=hit_iou)
        hit = set(outcome.lesion[outcome.lesion >= 0].tolist())
        free = [k for k in np.flatnonzero(outcome.outcome == 0) if one.score[k] >= threshold]
        false += [(-float(one.score[k]), number, int(k)) for k in free]
        unseen = [k for k in range(len(one.true)) if k not in hit or outcome.lesion_score[k] < threshold]
        missed += [(-float(np.prod(one.true[k][2:] - one.true[k][:2])), number, k) for k in unseen]
    made = []
    for what, chosen in (("false positive", sorted(false)[:MOST]), ("missed", sorted(missed)[:MOST])):
        pictures = []
        for weight, number, k in chosen:
            one = slices[number]
            kept = open_slices(folder, one.case)
            box = one.found[k] if what == "false positive" else one.true[k]
            size_mm = float(max((box[2] - box[0]) * kept.spacing_mm[0], (box[3] - box[1]) * kept.spacing_mm[1]))
            note = f"score {-weight:.2f}" if what == "false positive" else "under the threshold"
            where = f"slice {kept.index[one.row]}, {SEGMENTS[kept.segment[one.row]]}"
            pictures.append(
                _picture(
                    np.asarray(kept.hu[one.row]),
                    box,
                    one,
                    spacing=kept.spacing_mm,
                    threshold=threshold,
                    bone=bone,
                    caption=f"{one.case}, {where}: {what}, {size_mm:.0f} mm, {note}",
                )
            )
        made.append(tuple(pictures))
    return made[0], made[1]


def _picture(
    plane: NDArray[Any],
    box: NDArray[np.float32],
    one: SliceResult,
    *,
    spacing: tuple[float, float, float],
    threshold: float,
    bone: BonePart,
    caption: str,
) -> Picture:
    """A square cut round a box; found boxes as full lines, true ones dashed."""
    half = SIDE_MM / 2 / spacing[0]
    x, y = float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2
    left, top = round(x - half), round(y - half)
    side = max(2, round(2 * half))
    padded = np.pad(grey(plane, bone.window_hu), side)
    cut = padded[top + side : top + 2 * side, left + side : left + 2 * side]
    scale = SIDE_PX / side

    def rectangle(number: int, edges: NDArray[np.float32], *, main: bool) -> Rectangle:
        x0, y0, x1, y1 = ((float(value) - origin) * scale for value, origin in zip(edges, (left, top) * 2, strict=True))
        width, height = round(x1 - x0, 1), round(y1 - y0, 1)
        return Rectangle(number=number, x=round(x0, 1), y=round(y0, 1), width=width, height=height, main=main)

    found = [
        rectangle(k, edges, main=True) for k, edges in enumerate(one.found, start=1) if one.score[k - 1] >= threshold
    ]
    true = [rectangle(k, edges, main=False) for k, edges in enumerate(one.true, start=1)]
    return Picture(
        uri=jpeg_uri(enlarge(cut, (SIDE_PX, SIDE_PX)), max_bytes=MAX_BYTES),
        width=SIDE_PX,
        height=SIDE_PX,
        alt=caption,
        caption=caption,
        rectangles=(*true, *found),
    )
