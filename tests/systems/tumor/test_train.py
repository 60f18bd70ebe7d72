"""Folds that were answered before: taken up only by the training they belong to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from osteon.cohort.splits import Fold
from osteon.errors import UsageError
from osteon.systems.tumor import train as module
from osteon.systems.tumor.answers import PatientAnswer
from osteon.systems.tumor.cases import TumorCase
from osteon.systems.tumor.config import TumorConfig

if TYPE_CHECKING:
    from pathlib import Path

CASES = [
    TumorCase(
        case=name, patient=name, age_years=50.0, malignant=name == "b", histology="", location="", metastasis=False,
        series=(), voxels=name,
    )
    for name in "abcd"
]  # fmt: skip
FOLD = Fold(train=("a", "b"), val=("c", "d"), test=())


def test_answers_of_other_folds_patients_or_settings_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(pair: str, cases: list[TumorCase], **_: Any) -> list[PatientAnswer]:
        return [PatientAnswer(case=c.case, patient=c.patient, age_years=1.0, sequences=(), seconds=0.0) for c in cases]

    monkeypatch.setattr(module, "train_pair", lambda *_, **__: "pair")
    monkeypatch.setattr(module, "answer_cases", answer)
    config, folder = TumorConfig(), tmp_path / "model.run" / "fold-1"
    folder.mkdir(parents=True)
    first = module.fold_answers(CASES, FOLD, config=config, folder=folder, resume=True)
    assert [one.case for one in first] == ["c", "d"]
    monkeypatch.setattr(module, "train_pair", None)  # nothing is trained again
    other_weights = replace(config, fusion=replace(config.fusion, step=0.1), device="cpu")
    assert module.fold_answers(CASES, FOLD, config=other_weights, folder=folder, resume=True) == first
    for cases, fold, changed in (
        (CASES, Fold(train=("a", "c"), val=("b", "d"), test=()), config),
        (CASES[:3], FOLD, config),
        (CASES, FOLD, replace(config, seed=1)),
        (CASES, FOLD, replace(config, sequence=replace(config.sequence, epochs=1))),
    ):
        with pytest.raises(UsageError, match=r"model\.run: fold-1 was answered with other"):
            module.fold_answers(cases, fold, config=changed, folder=folder, resume=True)
