from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from osteon.errors import BundleError, UsageError
from osteon.systems.bundles import trained_on
from osteon.systems.differential.bundle import load_model
from osteon.systems.differential.network import myeloma_logits

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.cohort.manifest import Cohort
    from osteon.training.bundle import ModelBundle


def test_a_model_is_loaded_as_it_was_saved(made: tuple[Cohort, ModelBundle]) -> None:
    first, second = (load_model(made[1].folder, device="cpu") for _ in range(2))
    pixels = np.random.default_rng(0).integers(0, 255, (3, 32, 32)).astype(np.uint8)
    assert np.array_equal(myeloma_logits(first.network, pixels), myeloma_logits(second.network, pixels))
    assert first.config.input_px == 32
    assert not first.network.training


def test_known_scans_are_recognised(made: tuple[Cohort, ModelBundle]) -> None:
    known = made[1].facts.training_data["fingerprints"]
    assert trained_on(made[1], known[0])
    assert not trained_on(made[1], "0" * 16)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('system = "differential"', 'system = "lytic"', "a model of system 'lytic'; expected 'differential'"),
        ('backbone = "tiny"', 'backbone = "huge"', "cannot be used.*'huge'"),
        ('backbone = "tiny"', 'backbone = "small"', "not for this network"),
        ("slope = ", "slant = ", "cannot be used.*slope"),
        ('"metastasis"', '"fibroma"', "cannot be used.*classes"),
    ],
)
def test_what_is_not_ours_is_refused(
    made: tuple[Cohort, ModelBundle], tmp_path: Path, old: str, new: str, message: str
) -> None:
    shutil.copytree(made[1].folder, tmp_path / "m")
    facts = tmp_path / "m/model.toml"
    text = facts.read_text()
    assert old in text
    facts.write_text(text.replace(old, new))
    with pytest.raises(BundleError, match=message):
        load_model(tmp_path / "m", device="cpu")


def test_an_unknown_device_is_refused(made: tuple[Cohort, ModelBundle]) -> None:
    with pytest.raises(UsageError, match="device 'tpu': expected one of auto, cpu, cuda"):
        load_model(made[1].folder, device="tpu")
