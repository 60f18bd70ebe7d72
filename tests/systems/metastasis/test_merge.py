from __future__ import annotations

import numpy as np

from osteon.geometry import Grid
from osteon.systems.metastasis.merge import Seen, merge_stations


def seen(origin_z: float, boxes: list[tuple[slice, slice, slice]], scores: list[float]) -> Seen:
    grid = Grid(shape=(20, 20, 20), spacing_mm=(1.0, 1.0, 1.0), origin_mm=(0.0, 0.0, origin_z))
    labels = np.zeros(grid.shape, np.uint16)
    for number, box in enumerate(boxes, start=1):
        labels[box] = number
    return Seen(labels=labels, grid=grid, scores=np.array(scores))


WIDE = slice(5, 10)


def test_a_lesion_in_the_overlap_is_one_measured_where_more_of_it_is_seen() -> None:
    upper = seen(10.0, [(slice(0, 5), WIDE, WIDE), (slice(12, 15), WIDE, WIDE)], [0.6, 0.9])
    lower = seen(0.0, [(slice(8, 15), WIDE, WIDE), (slice(1, 3), WIDE, WIDE)], [0.7, 0.8])
    merged = merge_stations([upper, lower])
    assert [lesion.score for lesion in merged] == [0.9, 0.8, 0.7]
    assert [lesion.parts for lesion in merged] == [((0, 2),), ((1, 2),), ((1, 1), (0, 1))]


def test_lesions_side_by_side_stay_two() -> None:
    upper = seen(10.0, [(slice(0, 5), slice(0, 5), WIDE)], [0.6])
    lower = seen(0.0, [(slice(10, 15), slice(6, 10), WIDE)], [0.7])
    assert len(merge_stations([upper, lower])) == 2


def test_three_stations_in_a_chain_and_none_at_all() -> None:
    parts = [
        seen(z, [(slice(int(20 - z), int(20 - z) + 3), WIDE, WIDE)], [s])
        for z, s in ((8.0, 0.2), (5.0, 0.3), (2.0, 0.4))
    ]
    (only,) = merge_stations(parts)
    assert {station for station, _ in only.parts} == {0, 1, 2}
    assert only.score == 0.4
    assert merge_stations([seen(0.0, [], [])]) == []
