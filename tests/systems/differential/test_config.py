from __future__ import annotations

import pytest

from osteon.errors import UsageError
from osteon.systems.differential.config import DifferentialConfig
from osteon.systems.settings import configure


def test_settings_are_put_over_the_defaults() -> None:
    config = configure(
        DifferentialConfig(), {"backbone": "vgg16", "head": [64], "field_mm": 0, "window_hu": [-100, 300]}
    )
    assert (config.backbone, config.head, config.field_mm, config.window_hu) == ("vgg16", (64,), 0.0, (-100.0, 300.0))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"backbone": "resnet"}, "'backbone': 'resnet'; expected one of densenet121"),
        ({"jpeg_quality": 0}, "'jpeg_quality': 0; expected a number from 1 to 100"),
        ({"window_hu": [300, -100]}, "'window_hu'.*the lower one first"),
        ({"epochs": 1.5}, "'epochs': expected"),
        ({"flip": 1}, "'flip': expected"),
        ({"head": [0]}, "'head'.*whole numbers from 1"),
        ({"learning_rate": 0.0}, "a number above 0"),
        ({"validation_share": 1.0}, "between 0 and 1"),
        ({"weights": ""}, "imagenet, none or a file"),
        ({"colour": 1}, "'colour' is unknown; accepted: backbone, batch"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(values: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        configure(DifferentialConfig(), values)


def test_the_backbone_is_frozen_only_where_it_knows_something() -> None:
    assert DifferentialConfig(weights="none").learns_all
    assert not DifferentialConfig(weights="imagenet").learns_all
    assert DifferentialConfig(weights="imagenet", learn="all").learns_all
    assert not DifferentialConfig(weights="none", learn="head").learns_all
