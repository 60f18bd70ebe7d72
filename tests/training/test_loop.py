from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from osteon.errors import BundleError, UsageError
from osteon.training.config import LoopConfig
from osteon.training.loop import FitResult, Progress, fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STEPS = 4
CONFIG = LoopConfig(
    epochs=4,
    learning_rate=0.02,
    warmup_epochs=0.5,
    ema_decay=0.9,
    ema_ramp_steps=3,
    weight_decay=0.01,
    monitor="closeness",
    device="cpu",
)


class KilledError(Exception):
    pass


def _network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 1))


def _batches(epoch: int, generator: np.random.Generator) -> Iterator[dict[str, torch.Tensor]]:
    for _ in range(STEPS):
        x = generator.normal(size=(16, 3)).astype(np.float32)
        y = x @ np.array([[1.0], [-2.0], [0.5]], dtype=np.float32)
        yield {"x": torch.from_numpy(x), "y": torch.from_numpy(y) + 0.01 * random.random()}


def _loss(model: nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    error = (model(batch["x"]) - batch["y"]).square().mean()
    return {"loss": error, "noise": torch.rand(())}


def _validate(model: nn.Module, epoch: int) -> dict[str, float]:
    assert not model.training
    x = torch.linspace(-1, 1, 12).view(4, 3)
    truth = x @ torch.tensor([[1.0], [-2.0], [0.5]])
    return {"closeness": -float((model(x) - truth).detach().abs().mean()), "undefined": float("nan")}


def _fit(out: Path, *, config: LoopConfig = CONFIG, **more: Any) -> tuple[FitResult, nn.Module]:
    model = _network()
    arguments = {"validate": _validate, "identity": "toy"} | more
    return fit(model, config=config, batches=_batches, steps=STEPS, loss=_loss, out=out, **arguments), model


def _timeless(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in entry.items() if key != "seconds"} for entry in history]


def _killer(moment: int) -> Callable[[Progress], None]:
    left = moment

    def on_progress(_: Progress) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KilledError

    return on_progress


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FitResult]:
    out = tmp_path_factory.mktemp("undisturbed")
    return out, _fit(out)[0]


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("moments", [[0], [3, 5], [4, 4, 4], [9]])
@pytest.mark.parametrize("prefetch", [0, 2])
def test_killed_and_resumed_run_ends_with_the_same_bits(
    tmp_path: Path, optimizer: str, moments: list[int], prefetch: int
) -> None:
    config = LoopConfig(
        epochs=3,
        optimizer=optimizer,
        learning_rate=0.02,
        ema_decay=0.9,
        monitor="closeness",
        device="cpu",
        prefetch=prefetch,
    )
    whole, _ = _fit(tmp_path / "whole", config=config)
    for moment in moments:
        with pytest.raises(KilledError):
            _fit(tmp_path / "parts", config=config, on_progress=_killer(moment), resume=True)
    torch.rand(7)  # the state of the global generators must not matter
    parts, _ = _fit(tmp_path / "parts", config=config, resume=True)
    assert _timeless(parts.history) == _timeless(whole.history)
    for name in ("best", "last"):
        ours, theirs = load_file(getattr(parts, name)), load_file(getattr(whole, name))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_process_killed_outright_leaves_a_run_to_resume(tmp_path: Path, undisturbed: tuple[Path, FitResult]) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from tests.training import test_loop as t\n"
        "def die(event):\n"
        "    if (event.epoch, event.step, event.metrics is None) == (3, 2, True):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "t._fit(Path(sys.argv[1]), on_progress=die)\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "run")], cwd=Path(__file__).parents[2], check=False
    )
    assert process.returncode == -signal.SIGKILL
    result, _ = _fit(tmp_path / "run", resume=True)
    assert _timeless(result.history) == _timeless(undisturbed[1].history)
    ours, theirs = load_file(result.last), load_file(undisturbed[1].last)
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_kill_while_a_checkpoint_is_written(
    tmp_path: Path, undisturbed: tuple[Path, FitResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    from osteon.training import run

    calls = 0

    def dying(path: Path, tensors: Any, *, facts: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 4:  # second epoch: best is there, last is half-written
            (path.parent / f".{path.name}.0123abcd.part").write_bytes(b"half")
            raise KilledError
        real(path, tensors, facts=facts)

    real = run.save_tensors
    monkeypatch.setattr(run, "save_tensors", dying)
    with pytest.raises(KilledError):
        _fit(tmp_path / "run")
    monkeypatch.undo()
    result, _ = _fit(tmp_path / "run", resume=True)
    assert _timeless(result.history) == _timeless(undisturbed[1].history)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "best.safetensors",
        "history.json",
        "last.safetensors",
    ]


def test_network_learns_and_ends_with_the_best_weights(undisturbed: tuple[Path, FitResult], tmp_path: Path) -> None:
    out, result = undisturbed
    assert result.history[-1]["train"]["loss"] < result.history[0]["train"]["loss"]
    scores = [entry["val"]["closeness"] for entry in result.history]
    assert result.best_epoch == 1 + scores.index(max(scores))
    again, model = _fit(out, resume=True)  # finished already
    assert again == result
    assert not model.training
    assert _validate(model, 0)["closeness"] == max(scores)
    assert json.loads((out / "history.json").read_text()) == result.history
    assert result.history[0]["val"]["undefined"] is None


def test_progress_counts_steps_and_epochs(tmp_path: Path) -> None:
    events: list[Progress] = []
    _fit(tmp_path / "run", config=LoopConfig(epochs=2, device="cpu"), on_progress=events.append)
    assert [(event.epoch, event.step, event.metrics is None) for event in events] == [
        *((1, step, True) for step in (1, 2, 3, 4)),
        (1, 4, False),
        *((2, step, True) for step in (1, 2, 3, 4)),
        (2, 4, False),
    ]
    assert events[4].losses["loss"] == pytest.approx(np.mean([event.losses["loss"] for event in events[:4]]))


def test_without_a_metric_the_last_epoch_is_the_best(tmp_path: Path) -> None:
    result, model = _fit(tmp_path / "run", config=LoopConfig(epochs=3, device="cpu"), validate=None)
    assert result.best_epoch == 3
    last = load_file(result.last)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, last[f"model.{name}"])


def test_average_follows_the_weights_and_is_what_is_kept(tmp_path: Path) -> None:
    result, model = _fit(tmp_path / "run", config=LoopConfig(epochs=1, ema_decay=0.9, ema_ramp_steps=1, device="cpu"))
    last = load_file(result.last)
    assert torch.equal(last["average.0.weight"], model.state_dict()["0.weight"])
    assert not torch.equal(last["average.0.weight"], last["model.0.weight"])
    torch.testing.assert_close(last["average.0.weight"], last["model.0.weight"], atol=0.05, rtol=0)
    assert int(last["average.1.num_batches_tracked"]) == STEPS


def test_the_last_epoch_is_kept_where_none_can_be_chosen(tmp_path: Path) -> None:
    config = LoopConfig(epochs=3, patience=1, monitor="m", device="cpu")
    result, model = _fit(tmp_path / "run", config=config, validate=lambda *_: {"m": float("nan")})
    assert (len(result.history), result.best_epoch) == (3, 3)
    kept, last = load_file(result.best), load_file(result.last)
    assert all(torch.equal(tensor, last[f"model.{name}"]) for name, tensor in kept.items())
    assert torch.equal(model.state_dict()["0.weight"], kept["0.weight"])
    sometimes = iter([float("nan"), 0.0, float("nan")])
    result, _ = _fit(tmp_path / "other", config=replace(config, patience=0), validate=lambda *_: {"m": next(sometimes)})
    assert result.best_epoch == 2


@pytest.mark.parametrize("mode", ["max", "min"])
def test_patience_stops_early(tmp_path: Path, mode: str) -> None:
    worsening = iter([3.0, 2.0, float("nan"), 1.0, 0.5] if mode == "max" else [1.0, 2.0, float("nan"), 3.0, 4.0])
    config = LoopConfig(epochs=5, patience=2, monitor="m", monitor_mode=mode, device="cpu")
    result, _ = _fit(tmp_path / "run", config=config, validate=lambda *_: {"m": next(worsening)})
    assert len(result.history) == 3
    assert result.best_epoch == 1


def test_bf16_trains(tmp_path: Path) -> None:
    config = LoopConfig(epochs=2, precision="bf16-mixed", channels_last=True, device="cpu")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 1))
    seen: list[torch.dtype] = []

    def loss(network: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        answer = network(batch)
        seen.append(model[0].weight.dtype)
        return {"loss": (answer.float() - batch).square().mean()}

    def batches(_: int, __: np.random.Generator) -> list[torch.Tensor]:
        return [torch.linspace(0, 1, 128).view(2, 1, 8, 8)] * 2

    result = fit(model, config=config, batches=batches, steps=2, loss=loss, out=tmp_path / "run")
    assert result.history[1]["train"]["loss"] < result.history[0]["train"]["loss"]
    assert set(seen) == {torch.float32}  # master weights stay in full precision


def test_folder_with_a_run_is_not_overwritten(undisturbed: tuple[Path, FitResult]) -> None:
    with pytest.raises(UsageError, match="resume"):
        _fit(undisturbed[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": LoopConfig(epochs=9, device="cpu")}, "epochs was 4, is 9"),
        ({"identity": "other data"}, "identity was 'toy'"),
    ],
)
def test_other_run_is_not_resumed(undisturbed: tuple[Path, FitResult], change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        _fit(undisturbed[0], resume=True, **change)


def test_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    result, _ = _fit(tmp_path / "run", config=LoopConfig(epochs=1, device="cpu"))
    result.last.write_bytes(result.last.read_bytes()[:-10])
    with pytest.raises(BundleError, match=r"last\.safetensors"):
        _fit(tmp_path / "run", config=LoopConfig(epochs=1, device="cpu"), resume=True)


def test_checkpoint_of_another_network_is_named(tmp_path: Path) -> None:
    config = LoopConfig(epochs=1, device="cpu")
    _fit(tmp_path / "run", config=config)
    with pytest.raises(BundleError, match="does not fit"):
        fit(
            nn.Linear(3, 1),
            config=config,
            batches=_batches,
            steps=STEPS,
            loss=_loss,
            out=tmp_path / "run",
            resume=True,
            identity="toy",
        )


def test_loss_that_is_no_number_stops_before_it_is_saved(tmp_path: Path) -> None:
    def broken(model: nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"loss": model(batch["x"]).sum() * float("nan")}

    with pytest.raises(UsageError, match="epoch 1, step 1"):
        fit(_network(), config=CONFIG, batches=_batches, steps=STEPS, loss=broken, out=tmp_path / "run")
    assert not (tmp_path / "run" / "last.safetensors").exists()


def test_wrong_number_of_batches_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="4 batches, but 5"):
        fit(_network(), config=CONFIG, batches=_batches, steps=5, loss=_loss, out=tmp_path / "run")
    with pytest.raises(UsageError, match="training set empty"):
        fit(_network(), config=CONFIG, batches=_batches, steps=0, loss=_loss, out=tmp_path / "run")


def test_unmeasured_metric_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"monitor = 'dice'.*closeness"):
        _fit(tmp_path / "run", config=LoopConfig(epochs=1, monitor="dice", device="cpu"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_missing_gpu_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cuda"):
        _fit(tmp_path / "run", config=LoopConfig(epochs=1, device="cuda"))
