import tomllib
from pathlib import Path

import pytest

from osteon.errors import UsageError
from osteon.phantom.ct.render import SITES as PHANTOM_SITES
from osteon.systems.lytic.config import SITES, LyticConfig
from osteon.systems.settings import configure

RECIPES = Path(__file__).parents[3] / "recipes"


def test_nested_values_are_replaced_and_the_rest_kept():
    config = configure(LyticConfig(), {"seed": 5, "detector": {"size": "s", "learning_rate": 1}})
    assert (config.seed, config.detector.size, config.detector.learning_rate) == (5, "s", 1.0)
    assert config.detector.crop == LyticConfig().detector.crop
    assert isinstance(config.detector.learning_rate, float)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"detector": {"sise": "n"}}, "detector.sise"),
        ({"bone": 3}, "'bone'"),
        ({"bone": {"epochs": "many"}}, "bone.epochs"),
        ({"bone": {"dice_only": 1}}, "bone.dice_only"),
        ({"bone": {"epochs": True}}, "bone.epochs"),
        ({"bone": {"channels": [16, "a"]}}, "bone.channels"),
        ({"bone": {"channels": [16, 16.7]}}, "bone.channels"),
        ({"bone": {"epochs": 16.7}}, "bone.epochs"),
        ({"bone": {"window_hu": [0, True]}}, "bone.window_hu"),
    ],
)
def test_wrong_keys_and_types_are_named(values, words):
    with pytest.raises(UsageError, match=words):
        configure(LyticConfig(), values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"detector": {"size": "xl"}}, "detector.size.*n, s, m, l, x"),
        ({"detector": {"members": 0}}, "detector.members.*1 to 3"),
        ({"detector": {"members": 4}}, "detector.members.*1 to 3"),
        ({"detector": {"pixel_mm": 0}}, "detector.pixel_mm.*above 0"),
        ({"detector": {"mosaic": 1.1}}, "detector.mosaic.*0 to 1"),
        ({"detector": {"min_score": -0.1}}, "detector.min_score.*0 to 1"),
        ({"detector": {"margin_mm": -1}}, "detector.margin_mm"),
        ({"detector": {"crop": 300}}, "detector.crop.*multiple of 32"),
        ({"bone": {"crop": 0}}, "bone.crop"),
        ({"bone": {"epochs": 0}}, "bone.epochs"),
        ({"bone": {"samples": 8, "batch": 9}}, "bone.batch.*bone.samples, which is 8"),
        ({"bone": {"learning_rate": float("nan")}}, "bone.learning_rate"),
        ({"bone": {"window_hu": [100, 100]}}, "bone.window_hu.*lower one first"),
        ({"bone": {"window_hu": [0, 1, 2]}}, "bone.window_hu.*two numbers"),
        ({"bone": {"window_hu": []}}, "bone.window_hu.*two numbers"),
        ({"bone": {"channels": [16]}}, "bone.channels"),
        ({"precision": "16"}, "precision.*32-true, bf16-mixed"),
        ({"device": "tpu"}, "device.*auto, cpu, cuda"),
        ({"validation_share": 1.0}, "validation_share"),
        ({"false_positives": 0}, "false_positives.*above 0"),
        ({"seed": -1}, "seed"),
    ],
)
def test_impossible_values_are_named_with_what_is_accepted(values, words):
    with pytest.raises(UsageError, match=words):
        configure(LyticConfig(), values)


def test_tuples_keep_their_types():
    config = configure(LyticConfig(), {"bone": {"window_hu": [-100, 900], "channels": [8, 16]}})
    assert repr(config.bone.window_hu) == "(-100.0, 900.0)"
    assert repr(config.bone.channels) == "(8, 16)"


@pytest.mark.parametrize("path", sorted(RECIPES.glob("lytic-*.toml")), ids=lambda path: path.stem)
def test_recipes_are_accepted(path):
    assert configure(LyticConfig(), tomllib.loads(path.read_text(encoding="utf-8"))) != LyticConfig()


def test_sites_agree_with_the_phantom():
    assert tuple(SITES) == tuple(PHANTOM_SITES[1:])
