from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from osteon.phantom.mr.annotator import annotated, lesion_rows, seen_lesions, stands_out
from osteon.phantom.mr.scan import scan_patient

if TYPE_CHECKING:
    from osteon.phantom.mr.patient import MrPatient
    from osteon.phantom.mr.protocol import Protocol
    from osteon.phantom.mr.scan import MrScan


def disc(radius: float) -> np.ndarray:
    y, x = np.mgrid[:40, :40]
    return np.asarray((y - 20) ** 2 + (x - 20) ** 2 < radius**2)


@pytest.mark.parametrize(
    ("contrast", "noise", "seen"), [(60, 5, True), (5, 5, False), (60, 200, False), (-60, 5, True)]
)
def test_what_stands_out(contrast: float, noise: float, seen: bool) -> None:
    inside = disc(5)
    plane = 200 + noise * np.random.default_rng(0).standard_normal((40, 40)) + contrast * inside
    assert stands_out(plane.astype(np.float32), inside=inside, around=plane[~inside].astype(np.float32)) is seen


def test_nothing_stands_out_of_nothing() -> None:
    plane = np.zeros((40, 40), np.float32)
    assert not stands_out(plane, inside=disc(5), around=plane[:0].ravel())
    assert not stands_out(plane, inside=disc(0), around=plane.ravel())


def test_plain_lesions_are_seen_and_listed(mr_scan: MrScan) -> None:
    scan, seen = annotated(mr_scan)
    assert seen == {1, 2}
    rows = lesion_rows(scan)
    assert [row["number"] for row in rows] == [1, 2]
    assert rows[0]["bone"] == "L3"
    assert rows[0]["label"] == 22
    assert rows[0]["volume_mm3"] == pytest.approx(4 / 3 * np.pi * 7**3, rel=0.25)
    np.testing.assert_allclose(rows[0]["centre_mm"], mr_scan.patient.lesions[0].solid.centre, atol=0.01)  # type: ignore[attr-defined]


def test_what_looks_like_marrow_is_in_no_mask(mr_patient: MrPatient, protocols: dict[str, Protocol]) -> None:
    faint = tuple(replace(spot, strength=0.02) for spot in mr_patient.lesions)
    patient = mr_patient.with_spots(faint[:1], ())
    scan = scan_patient(patient, replace(protocols["metastasis"], slices=5), range_mm=(40.0, 130.0))
    assert 1 in scan.stations[0].lesions
    assert seen_lesions(scan.stations[0]) == set()
    kept, seen = annotated(scan)
    assert seen == set()
    assert not kept.stations[0].lesions.any()
    assert lesion_rows(kept) == []
