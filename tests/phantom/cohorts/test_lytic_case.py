from __future__ import annotations

import numpy as np

from osteon.phantom.cohorts.lytic import slice_boxes


def test_boxes_of_slices_without_lesions_are_empty() -> None:
    lesions = np.zeros((3, 8, 9), np.uint16)
    lesions[1, 2:4, 5:9] = 7
    lesions[1, 0, 0] = 2
    annotations = slice_boxes(lesions)
    assert [len(annotation.rectangles) for annotation in annotations] == [0, 2, 0]
    assert [(a.height, a.width, a.slice_index) for a in annotations] == [(8, 9, 0), (8, 9, 1), (8, 9, 2)]
    boxes = {box.label: (box.x0, box.y0, box.x1, box.y1) for box in annotations[1].rectangles}
    assert boxes == {"lesion 2": (0, 0, 1, 1), "lesion 7": (5, 2, 9, 4)}
