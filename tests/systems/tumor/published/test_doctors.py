"""Doctors of the test patients: read in the patients' order, refused where they do not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from osteon.errors import InputError
from osteon.phantom.verdicts import TUMOR_DOCTORS
from osteon.systems.tumor.answers import PatientAnswer
from osteon.systems.tumor.published.doctors import read_doctors

if TYPE_CHECKING:
    from pathlib import Path

CALLED = {("images", "D1"): "101", ("images", "D2"): "001", ("images+age", "D1"): "111", ("images+age", "D2"): "010"}


def answer(case: str, *, malignant: bool) -> PatientAnswer:
    return PatientAnswer(case=case, patient=case, age_years=None, sequences=(), seconds=0.0, malignant=malignant)


ANSWERS = [answer("c", malignant=True), answer("a", malignant=False), answer("b", malignant=True)]


def table(path: Path, *, modality: str = "images+age", truth: str = "011") -> str:
    """Calls of cases a, b, c (truth: benign, malignant, malignant) by two doctors with and without age."""
    lines = ["case,patient,truth,reader,modality,predicted,time_s"]
    for (what, reader), calls in CALLED.items():
        shown = what if what == "images" else modality
        for k, case in enumerate("abc"):
            lines.append(f"{case},{case},{truth[k]},{reader},{shown},{calls[k]},{10 * (k + 1)}")
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_calls_follow_the_order_of_the_patients(tmp_path: Path) -> None:
    found = read_doctors(table(tmp_path / "doctors.csv"), ANSWERS, seed=0)
    assert [one.name for one in found] == ["D1 images", "D2 images", "D1 images+age", "D2 images+age"]
    for one in found:
        reader, what = one.name.split(" ")
        a, b, c = (mark == "1" for mark in CALLED[what, reader])
        assert one.called.tolist() == [c, a, b]
        assert one.seconds == pytest.approx(20.0)
        assert not one.simulated


def test_only_the_test_patients_count(tmp_path: Path) -> None:
    found = read_doctors(table(tmp_path / "doctors.csv"), ANSWERS[:2], seed=0)
    assert found[0].called.tolist() == [True, True]
    assert found[0].seconds == pytest.approx((30 + 10) / 2)


@pytest.mark.parametrize(
    ("options", "answers", "words"),
    [
        ({}, [*ANSWERS, answer("d", malignant=True)], "1 test patients missing"),
        ({"modality": "with age"}, ANSWERS, "modalities"),
        ({"truth": "110"}, ANSWERS, "truth differs"),
    ],
)
def test_doctors_who_do_not_fit_are_refused(
    tmp_path: Path, options: dict[str, str], answers: list[PatientAnswer], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        read_doctors(table(tmp_path / "doctors.csv", **options), answers, seed=0)


def test_simulated_doctors_have_the_printed_figures() -> None:
    many = [answer(str(k), malignant=k % 3 == 0) for k in range(6000)]
    truth = np.array([one.malignant for one in many])
    found = read_doctors("", many, seed=1)
    for one, printed in zip(found, TUMOR_DOCTORS, strict=True):
        assert one.simulated
        assert one.called[truth].mean() == pytest.approx(printed.sensitivity, abs=0.05)
        assert (~one.called[~truth]).mean() == pytest.approx(printed.specificity, abs=0.05)
