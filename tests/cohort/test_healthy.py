from __future__ import annotations

from pathlib import Path

from osteon.cohort.healthy import is_healthy, left_out_note, without_healthy
from osteon.cohort.manifest import Case, Cohort


def test_only_those_who_say_so_are_healthy_and_left_out() -> None:
    labels = ({"healthy": True}, {"healthy": False, "diagnosis": "myeloma"}, {}, {"healthy": "yes"}, {"lesions": 0})
    cases = tuple(Case(case=f"c{k}", patient=f"p{k}", study="s", labels=one) for k, one in enumerate(labels))
    assert [is_healthy(case) for case in cases] == [True, False, False, False, False]
    cohort = Cohort(root=Path(), name="c", modality="CT", system="differential", cases=cases)
    kept, count = without_healthy(cohort)
    assert count == 1
    assert kept.cases == cases[1:]
    assert kept.name == "c"


def test_the_note_says_how_many() -> None:
    assert left_out_note(1).startswith("1 healthy case has")
    assert left_out_note(12).startswith("12 healthy cases have")
