from __future__ import annotations

import numpy as np
import pytest

from osteon.geometry import Grid
from osteon.imaging.fixed_size import fixed_size
from osteon.systems.metastasis.infer import find_lesions, hits

GRID = Grid(shape=(24, 224, 224), spacing_mm=(1.5, 1.5, 3.5))
PLAN = fixed_size(GRID, (24, 224, 224))


def test_lesions_are_connected_parts_large_enough_with_their_features() -> None:
    answer = np.zeros(GRID.shape, np.float32)
    answer[3:5, 10:20, 10:20] = 0.8
    answer[3, 12, 12] = 0.95
    answer[5, 20, 20] = 0.6  # touches the first by a corner
    answer[10, 50:53, 50:53] = 0.9  # nine pixels: cannot share ten with a lesion
    answer[15:17, 100:110, 100:104] = 0.7
    found = find_lesions(answer, PLAN, voxel_mm3=GRID.voxel_mm3, mask_threshold=0.5)
    assert found.labels.max() == 2
    assert found.labels[5, 20, 20] == found.labels[3, 10, 10] == 1
    assert not found.labels[10].any()
    assert found.mask[10].sum() == 9  # but the study's pixel figures count them
    np.testing.assert_allclose(found.features[:, 0], [np.log(0.95 / 0.05), np.log(0.7 / 0.3)], rtol=1e-4)
    np.testing.assert_allclose(found.features[1, 1], 0.7, rtol=1e-5)
    np.testing.assert_allclose(np.exp(found.features[1, 2]), 80 * GRID.voxel_mm3 / 1000, rtol=1e-6)


def test_nothing_found_is_nothing() -> None:
    found = find_lesions(np.zeros(GRID.shape, np.float32), PLAN, voxel_mm3=1.0, mask_threshold=0.5)
    assert found.features.shape == (0, 3)
    assert not found.labels.any()


@pytest.mark.parametrize(("shared", "hit"), [(10, True), (9, False)])
def test_ten_shared_pixels_are_a_hit(shared: int, hit: bool) -> None:
    true, found = (np.zeros(GRID.shape, np.uint16) for _ in range(2))
    true[4, 30, 0:30] = 1
    found[4, 30, 30 - shared : 60] = 1
    assert len(hits(found, true).prediction) == int(hit)
