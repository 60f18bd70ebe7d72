from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from osteon.cohort.manifest import Case, Cohort
from osteon.systems.fracture.published.config import DataPart, StudyConfig
from osteon.systems.fracture.published.reproduce import fold_of


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 3), min_size=12, max_size=40),
    folds=st.integers(2, 5),
    watch=st.sampled_from(["apart", "tested"]),
    seed=st.integers(0, 5),
)
def test_folds_never_share_a_patient_and_test_everybody_once(
    sizes: list[int], folds: int, watch: str, seed: int
) -> None:
    cases = tuple(
        Case(case=f"c{p}-{k}", patient=f"p{p}", study="s", labels={"malignant": p % 4 == 0})
        for p, count in enumerate(sizes)
        for k in range(count)
    )
    cohort = Cohort(root=Path(), name="any", modality="MR", system="fracture", cases=cases)
    config = StudyConfig(data=DataPart(folds=folds, watch=watch, watch_share=0.2))
    patient = {case.case: case.patient for case in cases}
    tested: list[str] = []
    for number in range(folds):
        fold = fold_of(cohort, config, number, seed=seed)
        parts = [{patient[name] for name in part} for part in (fold.train, fold.val, fold.test)]
        assert not parts[0] & parts[1]
        assert not parts[0] & parts[2]
        assert not parts[1] & parts[2]
        assert set().union(*parts) == set(patient.values())
        assert bool(parts[1]) == (watch == "apart")
        tested += fold.test
    assert sorted(tested) == sorted(patient)
