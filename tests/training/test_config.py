from __future__ import annotations

import pytest

from osteon.errors import UsageError
from osteon.training.config import LoopConfig, learning_rate


def test_cosine_falls_from_the_full_rate_to_the_final_fraction() -> None:
    config = LoopConfig(epochs=3, learning_rate=0.1, final_fraction=0.1)
    rates = [learning_rate(config, step=step, steps_per_epoch=7) for step in range(21)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10] == pytest.approx(0.055)  # half way down at half time
    assert rates[-1] == pytest.approx(0.01)
    assert rates == sorted(rates, reverse=True)


def test_linear_falls_evenly_and_constant_not_at_all() -> None:
    linear = LoopConfig(epochs=1, learning_rate=1.0, final_fraction=0.0, schedule="linear")
    assert [learning_rate(linear, step=step, steps_per_epoch=5) for step in range(5)] == pytest.approx(
        [1, 0.75, 0.5, 0.25, 0]
    )
    constant = LoopConfig(epochs=1, learning_rate=1.0, schedule="constant")
    assert {learning_rate(constant, step=step, steps_per_epoch=5) for step in range(5)} == {1.0}


def test_warm_up_rises_evenly() -> None:
    config = LoopConfig(epochs=4, learning_rate=1.0, schedule="constant", warmup_epochs=0.5)
    rates = [learning_rate(config, step=step, steps_per_epoch=8) for step in range(6)]
    assert rates == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1])


def test_one_step_in_all_has_the_full_rate() -> None:
    assert learning_rate(LoopConfig(epochs=1, learning_rate=0.5), step=0, steps_per_epoch=1) == 0.5


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"optimizer": "lion"}, "optimizer"),
        ({"schedule": "step"}, "schedule"),
        ({"monitor_mode": "most"}, "monitor_mode"),
        ({"precision": "16-mixed"}, "precision"),
        ({"device": "tpu"}, "device"),
        ({"epochs": 0}, "epochs"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"final_fraction": 2.0}, "final_fraction"),
        ({"ema_decay": 1.0}, "ema_decay"),
        ({"ema_ramp_steps": 0}, "ema_ramp_steps"),
        ({"clip_norm": -1.0}, "clip_norm"),
        ({"patience": -1}, "patience"),
    ],
)
def test_impossible_value_is_named(wrong: dict[str, object], key: str) -> None:
    with pytest.raises(UsageError, match=key):
        LoopConfig(**wrong)  # type: ignore[arg-type]
