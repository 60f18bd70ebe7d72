import pytest

from osteon.errors import UsageError
from osteon.phantom.ct import SITES as PHANTOM_SITES
from osteon.systems.lytic.config import SITES, LyticConfig, configure


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
    ],
)
def test_wrong_keys_and_types_are_named(values, words):
    with pytest.raises(UsageError, match=words):
        configure(LyticConfig(), values)


def test_sites_agree_with_the_phantom():
    assert tuple(SITES) == tuple(PHANTOM_SITES[1:])
