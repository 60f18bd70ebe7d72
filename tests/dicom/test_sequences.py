from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from osteon.dicom import roles
from osteon.dicom.scan import scan
from osteon.dicom.sequences import (
    SequenceKind,
    check_one_examination,
    choose_sequences,
    parse_roles,
    plane_of_slices,
    shared_part,
)
from osteon.errors import InputError, UsageError
from osteon.geometry import Grid
from osteon.records import Series
from tests.dicom.make import Scheme, stored_values, write_series

if TYPE_CHECKING:
    from pathlib import Path

KINDS = (
    SequenceKind(name="T1", roles=(roles.T1,)),
    SequenceKind(name="FO", roles=(roles.DIXON["FAT"],), weightings=(roles.T1,)),
    SequenceKind(name="CE", roles=(roles.T1_CONTRAST_FAT_SUPPRESSED,)),
)
SAGITTAL = ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, -1.0, 0.0))
"""Columns: index x runs to the back, y to the feet, z (the slices) to the left."""
CORONAL = ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, -1.0, 0.0))


def station(top_mm: float = 0.0, *, left_mm: float = 0.0, slices: int = 12) -> Grid:
    """A sagittal grid, 200 mm high, whose first row lies at ``top_mm``."""
    return Grid(
        shape=(slices, 100, 100), spacing_mm=(2.0, 2.0, 4.0), origin_mm=(left_mm, 0.0, top_mm), direction=SAGITTAL
    )


def series(uid: str, description: str, *, grid: Grid | None = None, frame: str = "9", **extra: Any) -> Series:
    return Series(
        uid=uid,
        study_uid="1",
        modality=extra.pop("modality", "MR"),
        files=(),
        description=description,
        grid=grid or station(),
        frame_of_reference_uid=frame,
        **extra,
    )


def uids(chosen: Any) -> list[dict[str, str]]:
    return [{name: one.uid for name, one in found.series.items()} for found in chosen.stations]


def test_three_sequences_of_one_place_are_one_station_with_t1_first() -> None:
    found = choose_sequences(
        [series("3", "t1 fs gd"), series("2", "t1_dixon_F"), series("1", "t1_tse"), series("4", "t2")], kinds=KINDS
    )
    assert uids(found) == [{"T1": "1", "FO": "2", "CE": "3"}]
    assert list(found.stations[0].series) == ["T1", "FO", "CE"]
    assert found.stations[0].reference.uid == "1"
    assert found.notes == ()


def test_stations_come_from_head_to_foot_and_each_has_its_own_series() -> None:
    low, high = station(0.0), station(160.0)  # 40 of 200 mm shared
    found = choose_sequences(
        [
            series("1", "t1", grid=low),
            series("2", "t1", grid=high),
            series("3", "t1 fs gd", grid=high),
            series("4", "t1 fs gd", grid=low),
        ],
        kinds=KINDS,
    )
    assert uids(found) == [{"T1": "2", "CE": "3"}, {"T1": "1", "CE": "4"}]


def test_a_station_without_t1_has_another_reference() -> None:
    found = choose_sequences(
        [series("1", "t1", grid=station(300.0)), series("2", "t1 fs gd", grid=station(0.0))], kinds=KINDS
    )
    assert uids(found) == [{"T1": "1"}, {"CE": "2"}]


def test_another_frame_of_reference_is_not_read_with_it_and_said() -> None:
    found = choose_sequences([series("1.1", "t1"), series("1.2", "t1 fs gd", frame="8")], kinds=KINDS)
    assert uids(found) == [{"T1": "1.1"}, {"CE": "1.2"}]
    assert "1.2" in found.notes[0]
    assert "FrameOfReferenceUID" in found.notes[0]


def test_two_of_one_kind_in_one_place_are_an_error_that_names_both_and_the_way_out() -> None:
    with pytest.raises(InputError, match=r"1\.1 \(.*t1.*1\.2 \(.*--role 1\.2=none"):
        choose_sequences([series("1.1", "t1 tse"), series("1.2", "t1 tse")], kinds=KINDS)
    found = choose_sequences([series("1.1", "t1"), series("1.2", "t1")], kinds=KINDS, roles={"1.2": "none"})
    assert uids(found) == [{"T1": "1.1"}]


def test_a_role_on_the_command_line_goes_before_the_headers() -> None:
    found = choose_sequences([series("1", "weird"), series("2", "t1")], kinds=KINDS, roles={"1": "T1", "2": "CE"})
    assert uids(found) == [{"T1": "1", "CE": "2"}]
    with pytest.raises(UsageError, match="no such series"):
        choose_sequences([series("1", "t1")], kinds=KINDS, roles={"7": "T1"})


def test_roles_are_parsed_and_checked() -> None:
    assert parse_roles(["1.2= none", "1.3=T1"]) == {"1.2": "none", "1.3": "T1"}
    for text in ("1.2", "=T1", "1.2="):
        with pytest.raises(UsageError, match="expected SeriesInstanceUID=NAME"):
            parse_roles([text])
    with pytest.raises(UsageError, match="two roles"):
        parse_roles(["1=T1", "1=CE"])
    with pytest.raises(UsageError, match="'T9' for series 1: expected one of T1, FO, CE, none"):
        choose_sequences([series("1", "t1")], kinds=KINDS, roles={"1": "T9"})


@pytest.mark.parametrize(
    ("grid", "told"),
    [
        (Grid(shape=(12, 50, 50), spacing_mm=(1.0, 1.0, 4.0)), "axial"),
        (Grid(shape=(12, 50, 50), spacing_mm=(1.0, 1.0, 4.0), direction=CORONAL), "coronal"),
        (station(slices=2), "2 slice"),
    ],
)
def test_what_cannot_be_read_is_named_with_why(grid: Grid, told: str) -> None:
    with pytest.raises(InputError, match=f"no usable sequence.*1\\.2\\.3.*{told}"):
        choose_sequences([series("1.2.3", "t1", grid=grid)], kinds=KINDS)


def test_an_axial_t1_beside_a_sagittal_one_is_left_out_with_a_note() -> None:
    found = choose_sequences(
        [series("1", "t1", grid=Grid(shape=(9, 9, 9), spacing_mm=(1.0, 1.0, 4.0))), series("2", "t1")], kinds=KINDS
    )
    assert uids(found) == [{"T1": "2"}]
    assert "axial" in found.notes[0]


def test_an_isotropic_volume_is_read_however_it_is_stored() -> None:
    assert uids(choose_sequences([series("1", "t1", grid=Grid(shape=(40, 50, 50)))], kinds=KINDS)) == [{"T1": "1"}]


def test_a_series_with_problems_is_left_out_with_its_first_problem() -> None:
    broken = replace(series("5", "t1"), grid=None, problems=("Series 5: a slice is missing.",))
    with pytest.raises(InputError, match=r"5.*a slice is missing"):
        choose_sequences([broken], kinds=KINDS)


def test_nothing_wanted_says_what_is_there() -> None:
    with pytest.raises(InputError, match=r"7 is T2\b.*--role 7=T1"):
        choose_sequences([series("7", "t2 tse sag")], kinds=KINDS)
    with pytest.raises(InputError, match=r"no MR series.*CT"):
        choose_sequences([series("7", "x", modality="CT")], kinds=KINDS)


def test_a_t2_dixon_fat_image_is_no_t1_fat_image() -> None:
    fat = {"attributes": {"ImageType": ("DERIVED", "PRIMARY", "DIXON", "FAT")}}
    found = choose_sequences([series("1", "t1"), series("2", "t2 dixon", **fat)], kinds=KINDS)
    assert uids(found) == [{"T1": "1"}]


def test_a_composed_series_gives_way_to_its_stations() -> None:
    whole = series("9", "t1", attributes={"ImageType": ("DERIVED", "SECONDARY", "MPR", "COMPOSED")})
    found = choose_sequences([whole, series("1", "t1")], kinds=KINDS)
    assert uids(found) == [{"T1": "1"}]
    assert "composed" in found.notes[0]
    assert uids(choose_sequences([whole], kinds=KINDS)) == [{"T1": "9"}]


def test_only_the_station_of_the_named_series() -> None:
    everything = [series("1", "t1", grid=station(0)), series("2", "t1", grid=station(170))]
    assert uids(choose_sequences(everything, kinds=KINDS, series_uid="2")) == [{"T1": "2"}]
    with pytest.raises(InputError, match="series 5"):
        choose_sequences(everything, kinds=KINDS, series_uid="5")


def test_planes_and_shared_parts() -> None:
    assert plane_of_slices(station()) == "sagittal"
    assert shared_part(station(), station(top_mm=100.0)) == pytest.approx(0.5, abs=0.01)
    assert shared_part(station(), station(top_mm=500.0)) == 0


@pytest.mark.parametrize(
    ("keyword", "value", "what"), [("PatientID", "OTHER", "two patients"), ("StudyDate", "20210101", "two dates")]
)
def test_two_patients_or_dates_in_one_study(tmp_path: Path, keyword: str, value: str, what: str) -> None:
    scheme = Scheme(modality="MR", slope=None, intercept=None)
    other = Scheme(modality="MR", slope=None, intercept=None, study_uid=scheme.study_uid)
    write_series(tmp_path / "a", stored_values(), scheme)
    write_series(tmp_path / "b", stored_values(), other, change=lambda _, ds: setattr(ds, keyword, value))
    found = scan(tmp_path).series
    with pytest.raises(InputError, match=f"{keyword}.*{what}") as caught:
        check_one_examination(found)
    assert scheme.series_uid in str(caught.value)
    assert other.series_uid in str(caught.value)
    assert "SECRET" not in str(caught.value)
    assert value not in str(caught.value)
    check_one_examination([one for one in found if one.uid == scheme.series_uid])
