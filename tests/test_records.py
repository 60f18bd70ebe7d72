from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import numpy as np
import pytest

from osteon.errors import GeometryError, InputError
from osteon.geometry import Grid
from osteon.records import Box, Finding, Patient, Series, Volume

BOX = Box(x0=3, y0=5, x1=4, y1=6, z0=0, z1=1)


def finding(**changes: object) -> Finding:
    values: dict[str, object] = {
        "number": 1,
        "kind": "lytic lesion",
        "score": 0.5,
        "centre_mm": (0.0, 0.0, 0.0),
        "box": BOX,
        "key_slice": 0,
        "longest_diameter_mm": 5.0,
        "short_diameter_mm": 4.0,
        "volume_mm3": 60.0,
        "tracking_uid": "1.2.3",
    }
    return Finding(**{**values, **changes})  # type: ignore[arg-type]


def test_a_volume_cannot_be_written_and_does_not_lock_the_array_it_was_made_from() -> None:
    array = np.zeros((2, 3, 4), np.int16)
    volume = Volume(array=array, grid=Grid(shape=(2, 3, 4)), modality="CT")
    with pytest.raises(ValueError, match="read-only"):
        volume.array[0, 0, 0] = 1
    array[0, 0, 0] = 1
    assert array.flags.writeable


def test_a_volume_fits_its_grid() -> None:
    with pytest.raises(GeometryError, match=r"\(2, 3, 4\).*\(4, 3, 2\)"):
        Volume(array=np.zeros((2, 3, 4)), grid=Grid(shape=(4, 3, 2)), modality="CT")


@pytest.mark.parametrize("change", [{"x1": 3.0}, {"y1": 4.0}, {"z1": 0}, {"x0": float("nan")}, {"y1": float("inf")}])
def test_a_box_has_an_inside(change: dict[str, float]) -> None:
    values = {"x0": 3.0, "y0": 5.0, "x1": 4.0, "y1": 6.0, "z0": 0, "z1": 1}
    assert Box(**values) == BOX  # type: ignore[arg-type]
    with pytest.raises(GeometryError, match="expected x0 < x1"):
        Box(**{**values, **change})  # type: ignore[arg-type]


@pytest.mark.parametrize("score", [-0.01, 1.01, float("nan")])
def test_a_score_is_a_probability(score: float) -> None:
    assert finding(score=0.0).score == 0.0
    with pytest.raises(InputError, match="not a probability"):
        finding(score=score)


def test_records_are_frozen() -> None:
    series = Series(uid="1.2", study_uid="1.1", modality="CT", files=(Path("a"),))
    for record, name in ((BOX, "x0"), (finding(), "score"), (series, "uid")):
        with pytest.raises(FrozenInstanceError):
            setattr(record, name, 1)


def test_a_patient_has_no_room_for_an_identity() -> None:
    assert {field.name for field in fields(Patient)} == {"age_years", "sex"}
