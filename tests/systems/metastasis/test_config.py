from __future__ import annotations

from typing import Any

import pytest

from osteon.errors import UsageError
from osteon.systems.metastasis.config import COMBINATIONS, MetastasisConfig, sequences_of
from osteon.systems.metastasis.published.config import CELLS, StudyConfig
from osteon.systems.recipes import load_recipe, merged
from osteon.systems.settings import configure


def test_recipes_fit_their_configurations() -> None:
    published = load_recipe("metastasis", "published")
    study = configure(StudyConfig(), published["study"])
    assert (study.input.scaled, study.input.size, study.input.slices) == (256, 224, 24)
    assert (study.unet2d.width, study.unet3d.width) == (64, 32)
    assert (study.data.internal, study.data.external) == (302, 20)
    small = configure(StudyConfig(), merged(published["study"], load_recipe("metastasis", "published-small")["study"]))
    assert small.unet2d.width < 64
    assert configure(MetastasisConfig(), published["train"]).models[0] == "T1+FO+CE"


def test_seven_combinations_and_fourteen_networks() -> None:
    assert {frozenset(sequences_of(name)) for name in COMBINATIONS} == {
        frozenset(part)
        for part in (("T1",), ("FO",), ("CE",), ("T1", "FO"), ("T1", "CE"), ("FO", "CE"), ("T1", "FO", "CE"))
    }
    assert len(set(CELLS)) == 14


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"models": ["T2"]}, "'models'.*one of T1"),
        ({"models": ["T1", "T1"]}, "each once"),
        ({"network": {"dimensions": 4}}, "network.dimensions"),
        ({"input": {"size": 100}}, "multiple of 16"),
        ({"network": {"dimensions": 3}, "input": {"slices": 12}}, "input.slices"),
        ({"input": {"registration": "elastic"}}, "registration"),
        ({"input": {"percentiles": [9.0, 1.0]}}, "percentiles"),
        ({"validation_share": 1.0}, "validation_share"),
        ({"network": {"batch": 9, "samples": 3}}, "network.batch"),
        ({"networks": {}}, "unknown"),
    ],
)
def test_impossible_values_name_their_key(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        configure(MetastasisConfig(), values)


def test_study_checks_its_parts() -> None:
    with pytest.raises(UsageError, match="external_centre"):
        configure(StudyConfig(), {"data": {"external_centre": "a"}})
    with pytest.raises(UsageError, match=r"unet3d\.dimensions"):
        configure(StudyConfig(), {"unet3d": {"dimensions": 2}})
