from __future__ import annotations

import numpy as np
import pytest

from osteon.errors import InputError
from osteon.formats.crossed import constant_by_case, cross
from osteon.formats.tables import read_table


def table_of(tmp_path, rows, header="case,reader,site,rating"):
    path = tmp_path / "long.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return read_table(path)


ROWS = ["b,R2,neck,4", "a,R1,back,1", "b,R1,neck,3", "a,R2,back,2"]


def test_rows_come_into_a_grid_whatever_their_order(tmp_path):
    table = table_of(tmp_path, ROWS)
    grid = cross(table, ["reader"])
    assert grid.names == (("R1", "R2"), ("a", "b"))
    assert table.numbers("rating")[grid.row].tolist() == [[1, 3], [2, 4]]
    assert constant_by_case(table, grid, "site").tolist() == ["back", "neck"]


def test_a_missing_judgement_is_named(tmp_path):
    with pytest.raises(InputError, match=r"1 of 4 judgements are missing, the first: reader 'R2', case 'a'"):
        cross(table_of(tmp_path, ROWS[:3]), ["reader"])


def test_a_double_judgement_is_named(tmp_path):
    with pytest.raises(InputError, match="lines 2 and 6: the same reader, case twice"):
        cross(table_of(tmp_path, [*ROWS, "b,R2,neck,5"]), ["reader"])


def test_a_case_with_two_sites_is_named(tmp_path):
    table = table_of(tmp_path, [*ROWS[:3], "a,R2,neck,2"])
    with pytest.raises(InputError, match="lines 3 and 5: one case with two values of site"):
        constant_by_case(table, cross(table, ["reader"]), "site")


def test_three_factors(tmp_path):
    rows = [f"c{c},R{r},M{m},{100 * m + 10 * r + c}" for c in range(3) for r in range(2) for m in range(4)]
    table = table_of(tmp_path, np.random.default_rng(0).permutation(rows), "case,reader,modality,rating")
    grid = cross(table, ["modality", "reader"])
    assert grid.row.shape == (4, 2, 3)
    assert table.numbers("rating")[grid.row[3, 1]].tolist() == [310, 311, 312]
