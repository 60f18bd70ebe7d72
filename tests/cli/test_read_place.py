from __future__ import annotations

from pathlib import Path

import pytest

from osteon.cli.read import check_place
from osteon.errors import UsageError

ONE = [Path("study")]


def test_a_box_and_a_point_become_numbers() -> None:
    assert check_place("7,210,300.5,262,352", "", ONE) == ((7.0, 210.0, 300.5, 262.0, 352.0), None)
    assert check_place("", "-3.5,20,-110", ONE) == (None, (-3.5, 20.0, -110.0))
    assert check_place("", "", [*ONE, *ONE]) == (None, None)


@pytest.mark.parametrize(
    ("box", "point", "studies"),
    [
        ("7,1,2,3", "", ONE),
        ("7.5,1,2,3,4", "", ONE),
        ("-1,1,2,3,4", "", ONE),
        ("a,1,2,3,4", "", ONE),
        ("7,1,2,3,nan", "", ONE),
        ("", "1,2", ONE),
        ("7,1,2,3,4", "1,2,3", ONE),
        ("7,1,2,3,4", "", [*ONE, *ONE]),
    ],
)
def test_what_is_no_place_is_refused(box: str, point: str, studies: list[Path]) -> None:
    with pytest.raises(UsageError, match=r"--(box|point)"):
        check_place(box, point, studies)
