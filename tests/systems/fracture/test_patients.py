from __future__ import annotations

import numpy as np

from osteon.systems.fracture.patients import by_patient


def test_a_patient_has_the_highest_slice() -> None:
    names = np.array(["b", "a", "b", "a", "c"])
    found = by_patient(names, np.array([0.2, 0.49, 0.9, 0.1, 0.5]), np.array([1, 0, 1, 0, 0]))
    assert found.name.tolist() == ["a", "b", "c"]
    assert found.probability.tolist() == [0.49, 0.9, 0.5]
    assert found.label.tolist() == [0, 1, 0]
    assert found.slices.tolist() == [2, 2, 1]


def test_the_mean_of_the_slices_plays_no_part() -> None:
    found = by_patient(np.array(["a"] * 3), np.array([0.01, 0.01, 0.6]), np.zeros(3, np.int64))
    assert found.probability[0] == 0.6
