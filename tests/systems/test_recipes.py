from __future__ import annotations

import pytest

from osteon.errors import UsageError
from osteon.systems.lytic.config import LyticConfig
from osteon.systems.protocol import ReproduceOptions
from osteon.systems.recipes import load_recipe, merged, recipe_names, study_settings
from osteon.systems.registry import SYSTEMS
from osteon.systems.settings import configure


def test_settings_go_over_a_recipe_table_by_table() -> None:
    under = {"seed": 1, "bone": {"epochs": 3, "crop": 96}, "grid": {"rates": [1, 2]}}
    both = merged(under, {"bone": {"epochs": 9}, "grid": {"rates": [5]}, "new": {"a": 1}})
    assert both == {"seed": 1, "bone": {"epochs": 9, "crop": 96}, "grid": {"rates": [5]}, "new": {"a": 1}}
    assert under["bone"] == {"epochs": 3, "crop": 96}


def test_an_unknown_recipe_is_named_with_those_that_are_there() -> None:
    with pytest.raises(UsageError, match=r"'vegan'.*published"):
        load_recipe("lytic", "vegan")


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_system_has_its_published_recipe(system: str) -> None:
    assert "published" in recipe_names(system)
    assert load_recipe(system, "published")


def test_a_profile_goes_over_the_published_recipe_and_the_callers_settings_over_both() -> None:
    published, small = (load_recipe("tumor", name)["study"] for name in ("published", "published-small"))
    assert study_settings("tumor", ReproduceOptions(profile="full")) == published
    found = study_settings("tumor", ReproduceOptions(profile="small", settings={"data": {"test_share": 0.5}}))
    assert found["data"] == {**published["data"], **small["data"], "test_share": 0.5}
    assert found["frames"] == published["frames"]


def test_lytic_as_published_has_no_stage_that_the_study_has_not() -> None:
    config = configure(LyticConfig(), load_recipe("lytic", "published")["train"])
    assert config.reduction.epochs == 0
    assert (config.bone.planes, config.detector.members, config.detector.size) == ("axial", 3, "l")
