from __future__ import annotations

from dataclasses import replace

from osteon.dicom.choose import choose_ct_series
from osteon.geometry import Grid
from osteon.records import Series

SAGITTAL = ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, -1.0, 0.0))  # columns: rows run to the back, columns to the feet


def series(uid: str, slices: int, step_mm: float, **changes: object) -> Series:
    grid = Grid(shape=(slices, 512, 512), spacing_mm=(0.9, 0.9, step_mm))
    return replace(
        Series(uid=uid, study_uid="1", modality="CT", files=(), grid=grid),
        **changes,  # type: ignore[arg-type]
    )


def chosen(*candidates: Series, uid: str = "") -> str | None:
    found = choose_ct_series(candidates, uid)
    return found.uid if found else None


def test_axial_slices_go_before_everything() -> None:
    turned = Grid(shape=(900, 1200, 512), spacing_mm=(0.9, 0.9, 0.5), direction=SAGITTAL)
    assert chosen(series("sagittal", 5, 1.0, grid=turned), series("axial", 20, 3.0)) == "axial"
    assert chosen(series("sagittal", 5, 1.0, grid=turned)) == "sagittal"


def test_longest_coverage_then_most_slices_then_the_first() -> None:
    assert chosen(series("neck", 300, 0.5), series("body", 200, 5.0)) == "body"
    assert chosen(series("thick", 200, 5.0), series("thin", 998, 1.0)) == "thin"  # 1000 and 998 mm: the same range
    assert chosen(series("first", 200, 5.0), series("second", 200, 5.0)) == "first"


def test_what_is_no_volume_of_ct_is_left_out() -> None:
    assert (
        chosen(series("two", 2, 5.0), series("mr", 90, 1.0, modality="MR"), series("none", 9, 1.0, grid=None)) is None
    )
    assert chosen(series("bad", 900, 1.0, problems=("gaps",)), series("good", 9, 1.0)) == "good"


def test_the_series_asked_for_or_none() -> None:
    both = (series("a", 200, 5.0), series("b", 20, 5.0))
    assert chosen(*both, uid="b") == "b"
    assert chosen(*both, uid="c") is None
