from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from osteon.errors import CohortError
from osteon.systems.differential.images import Pictures, gather_pictures
from osteon.systems.differential.network import (
    build_network,
    myeloma_logits,
    side_of,
    to_probability,
    train_network,
)
from tests.systems.differential.make import TINY

if TYPE_CHECKING:
    from pathlib import Path


def pictures(count: int, *, seed: int = 0) -> Pictures:
    """Bright pictures are myeloma, dark ones metastasis."""
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(count):
        label = k % 2
        grey = np.clip(rng.normal(60 + 120 * label, 20, (32, 32)), 0, 255).astype(np.uint8)
        rows.append((grey, label, f"p{k}", f"p{k}", 0))
    return gather_pictures(rows)


def test_what_can_be_told_apart_is_learned_and_a_killed_run_ends_the_same(tmp_path: Path) -> None:
    learn, watch = pictures(24), pictures(8, seed=1)
    whole = train_network(learn, watch, config=TINY, out=tmp_path / "a", resume=False)
    logits = myeloma_logits(whole.network, watch.pixels)
    assert ((logits > 0) == (watch.label == 1)).all()
    assert len(whole.history) == TINY.epochs
    assert whole.history[-1]["train"]["loss"] < whole.history[0]["train"]["loss"]

    class KilledError(Exception):
        pass

    def kill(progress: object) -> None:
        if progress.epoch == 3:  # type: ignore[attr-defined]
            raise KilledError

    with pytest.raises(KilledError):
        train_network(learn, watch, config=TINY, out=tmp_path / "b", resume=False, on_progress=kill)
    resumed = train_network(learn, watch, config=TINY, out=tmp_path / "b", resume=True)
    assert np.array_equal(myeloma_logits(resumed.network, watch.pixels), logits)


def test_a_frozen_backbone_stays_as_it_was_given(tmp_path: Path) -> None:
    torch.manual_seed(5)
    given = build_network(TINY).backbone.state_dict()
    save_file({**given, "classifier.weight": torch.zeros(3, 4)}, tmp_path / "w.safetensors")
    config = replace(TINY, weights=str(tmp_path / "w.safetensors"), learning_rate=1e-2)
    assert not config.learns_all
    trained = train_network(pictures(16), pictures(6, seed=1), config=config, out=tmp_path / "run", resume=False)
    after = trained.network.backbone.state_dict()
    assert all(torch.equal(after[name], value) for name, value in given.items())
    assert trained.started_from == "file w.safetensors"
    assert len({round(entry["train"]["loss"], 6) for entry in trained.history}) > 1


def test_both_diagnoses_and_some_to_watch_are_needed(tmp_path: Path) -> None:
    one = pictures(8)
    single = one.take(one.label == 1)
    for learn, watch in ((single, one), (one, one.take(one.label > 1))):
        with pytest.raises(CohortError, match="to train on, of"):
            train_network(learn, watch, config=TINY, out=tmp_path / "x", resume=False)


def test_xception_gets_larger_pictures() -> None:
    assert side_of(replace(TINY, backbone="xception", input_px=224)) == 299
    assert side_of(replace(TINY, backbone="vgg16", input_px=224)) == 224


def test_two_outputs_become_one_probability() -> None:
    network = build_network(TINY).eval()
    pixels = pictures(3).pixels
    with torch.no_grad():
        softmax = network(torch.from_numpy(pixels)[:, None].float() / 255).softmax(dim=1)[:, 1]
    assert to_probability(myeloma_logits(network, pixels)) == pytest.approx(softmax.numpy(), abs=1e-6)
    assert myeloma_logits(network, pixels[:0]).shape == (0,)
