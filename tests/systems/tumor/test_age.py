"""The age table against shares counted by hand."""

from __future__ import annotations

import pytest

from osteon.errors import CohortError
from osteon.systems.tumor.age import make_table, table_from_plain, table_to_plain

AGES = [10.0, 15.0, 39.9, 40.0, 55.0, 79.0, 80.0, None]
BAD = [False, False, True, True, False, True, True, False]
EDGES = (40.0, 80.0)


def test_shares_by_hand() -> None:
    table = make_table(AGES, BAD, edges=EDGES, prior=2.0)
    # groups: below 40: 3 patients, 1 malignant; 40 to below 80: 3 and 2; from 80: 1 and 1; all 8 (one without age): 4/8
    assert table.patients == (3, 3, 1)
    assert table.malignant == (1, 2, 1)
    assert table.overall == 0.5
    assert table.shares == pytest.approx(((1 + 1) / 5, (2 + 1) / 5, (1 + 1) / 3))


@pytest.mark.parametrize(("age", "share"), [(39.99, 0.4), (40.0, 0.6), (79.9, 0.6), (80.0, 2 / 3), (3.0, 0.4)])
def test_an_edge_belongs_to_the_older_group(age: float, share: float) -> None:
    assert make_table(AGES, BAD, edges=EDGES, prior=2.0).share(age) == pytest.approx(share)


def test_an_empty_group_has_the_overall_share_and_no_age_has_none() -> None:
    table = make_table([50.0, 50.0, 50.0], [True, True, False], edges=EDGES, prior=3.0)
    assert table.share(10.0) == pytest.approx(2 / 3)
    assert table.share(None) is None


def test_the_bundle_keeps_it() -> None:
    table = make_table(AGES, BAD, edges=EDGES, prior=2.0)
    assert table_from_plain(table_to_plain(table)) == table
    with pytest.raises(ValueError, match="one share more"):
        table_from_plain({**table_to_plain(table), "shares": [0.5]})


def test_nobody_is_an_error() -> None:
    with pytest.raises(CohortError, match="no training patient"):
        make_table([], [], edges=EDGES, prior=1.0)
