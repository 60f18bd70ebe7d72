from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from osteon.errors import UsageError
from osteon.phantom.anatomy.person import draw_person
from osteon.phantom.anatomy.skeleton import build_skeleton
from osteon.phantom.anatomy.spine import build_spine
from osteon.phantom.disease import DIFFICULTY, SYSTEMS, Disease, draw_diagnosis, draw_disease
from osteon.phantom.patient import draw_patient


def disease(system: str, seed: int, *, centre: str = "a", healthy_share: float | None = None) -> Disease:
    rng = np.random.default_rng(seed)
    diagnosis = draw_diagnosis(system, rng, centre=centre, healthy_share=healthy_share)
    person = draw_person(rng, age_years=diagnosis.age_years, sex=diagnosis.sex)
    spine = build_spine(person, rng)
    bones = build_skeleton(spine, person, rng=rng)
    return draw_disease(diagnosis, bones, person, rng=rng)


def test_ages_sexes_and_healthy_people_of_the_metastasis_study() -> None:
    drawn = [draw_diagnosis("metastasis", np.random.default_rng(k)) for k in range(2000)]
    ages = np.array([one.age_years for one in drawn])
    assert ages.mean() == pytest.approx(63.5, abs=4 * 12.1 / np.sqrt(2000) + 0.3)  # cut at 20 and 95
    assert ages.std() == pytest.approx(12.1, abs=0.8)
    assert np.mean([one.sex == "M" for one in drawn]) == pytest.approx(126 / 242, abs=4 * np.sqrt(0.25 / 2000))
    assert np.mean([one.name == "none" for one in drawn]) == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / 2000))


def test_diagnoses_and_ages_of_the_differential_study() -> None:
    drawn = [draw_diagnosis("differential", np.random.default_rng(k)) for k in range(2000)]
    assert np.mean([one.name == "myeloma" for one in drawn]) == pytest.approx(39 / 91, abs=4 * np.sqrt(0.25 / 2000))
    for name, mean in (("myeloma", 63.1), ("metastasis", 59.8)):
        ages = [one.age_years for one in drawn if one.name == name]
        assert np.mean(ages) == pytest.approx(mean, abs=1.6)  # four standard errors, and the cut ends
    assert all((one.primary is None) == (one.name == "myeloma") for one in drawn)


def test_the_external_tumour_centre_has_primary_tumours_alone() -> None:
    names = Counter(draw_diagnosis("tumor", np.random.default_rng(k), centre="b").name for k in range(300))
    assert names["metastasis"] == 0
    assert len(names) > 15


@pytest.mark.parametrize("system", SYSTEMS)
def test_lesions_mimics_and_labels(system: str) -> None:
    drawn = disease(system, 3, healthy_share=0.0)
    assert drawn.lesions
    assert drawn.mimics
    kinds = {spot.kind for spot in drawn.mimics}
    assert "basivertebral vein" in kinds
    if system == "metastasis":
        assert drawn.labels["lesions"] == len(drawn.lesions)
        assert drawn.labels["primary"] != "none"
    elif system == "tumor":
        assert set(drawn.labels) == {"malignant", "histology", "metastasis", "location"}
        assert drawn.labels["histology"] == drawn.lesions[0].kind
    else:
        assert drawn.labels["diagnosis"] in ("myeloma", "metastasis")
        assert (drawn.labels["primary"] == "none") == (drawn.labels["diagnosis"] == "myeloma")


@pytest.mark.parametrize("system", SYSTEMS)
def test_healthy_people_have_mimics_and_no_lesions(system: str) -> None:
    drawn = disease(system, 5, healthy_share=1.0)
    assert drawn.lesions == ()
    assert drawn.mimics
    assert drawn.labels == ({"lesions": 0, "primary": "none"} if system == "metastasis" else {"healthy": True})


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_seed_decides(system: str) -> None:
    one, two, other = (disease(system, seed, healthy_share=0.0) for seed in (11, 11, 12))
    sizes = [[spot.diameter_mm for spot in drawn.lesions] for drawn in (one, two, other)]
    assert sizes[0] == sizes[1] != sizes[2]
    assert one.labels == two.labels


def test_what_cannot_be_drawn_is_said() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(UsageError, match="no disease for system 'lytic'"):
        draw_diagnosis("lytic", rng)
    with pytest.raises(UsageError, match="difficulty 2"):
        draw_diagnosis("tumor", rng, difficulty=2)
    assert draw_diagnosis("tumor", rng).difficulty == DIFFICULTY["tumor"]


def test_a_patient_of_a_diagnosis_has_its_age_sex_and_lesions() -> None:
    diagnosis = draw_diagnosis("differential", np.random.default_rng(1))
    patient = draw_patient(np.random.default_rng(2), range_mm=(-40.0, 300.0), sites=("vertebra",), diagnosis=diagnosis)
    assert patient.person.age_years == pytest.approx(diagnosis.age_years, abs=0.06)
    assert patient.person.sex == diagnosis.sex
    assert patient.lesions
    assert {spot.site for spot in patient.lesions} == {"vertebra"}
