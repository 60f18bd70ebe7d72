from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from osteon.errors import BundleError, InputError
from osteon.networks.unet import UNetConfig
from osteon.training.bundle import ModelBundle, ModelFacts, read_bundle, write_bundle
from osteon.training.weights import load_weights

FACTS = ModelFacts(
    system="lytic",
    name="toy",
    version="1",
    classes=("lytic lesion",),
    config={"bone": {"channels": [8, 16], "norm": "batch"}, "window_hu": [-450.0, 1050.0]},
    operating_point={"threshold": 0.4, "rule": "Youden on validation"},
    calibration={"method": "platt", "a": 1.5, "b": -0.25},
    training_data={"kind": "phantom", "fingerprint": "ab" * 32},
)


def _network() -> nn.Module:
    torch.manual_seed(2)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 1))


def _write(folder: Path, *, half: bool = False, facts: ModelFacts = FACTS) -> ModelBundle:
    weights = {"bone": _network().state_dict(), "detector-1": {"w": torch.ones(2, 2)}}
    return write_bundle(folder, facts, weights=weights, metrics={"dice": 0.9}, card="# toy\n", half=half)


def test_bundle_is_read_back_as_written(tmp_path: Path) -> None:
    bundle = _write(tmp_path / "model")
    assert bundle == read_bundle(tmp_path / "model")
    assert bundle.facts == FACTS
    assert bundle.metrics == {"dice": 0.9}
    assert bundle.card == "# toy\n"
    assert sorted(path.name for path in bundle.folder.iterdir()) == [
        "bone.safetensors",
        "card.md",
        "detector-1.safetensors",
        "metrics.json",
        "model.toml",
    ]
    assert bundle.facts.versions["torch"] == torch.__version__.split("+")[0]
    model = _network()
    nn.init.zeros_(model[0].weight)
    load_weights(model, bundle.weights_path("bone"))
    assert torch.equal(model[0].weight, _network()[0].weight)


def test_facts_are_plain_toml_with_the_schema(tmp_path: Path) -> None:
    _write(tmp_path / "model")
    document = tomllib.loads((tmp_path / "model" / "model.toml").read_text())
    assert document["schema"] == "osteon-model/1"
    assert document["operating_point"]["threshold"] == 0.4
    assert set(document["weights"]) == {"bone", "detector-1"}


def test_network_config_survives(tmp_path: Path) -> None:
    from dataclasses import asdict, replace

    config = UNetConfig(channels=(8, 16, 32), strides=(2, 2))
    bundle = _write(tmp_path / "model", facts=replace(FACTS, config={"bone": asdict(config)}))
    assert UNetConfig(**bundle.facts.config["bone"]) == config


def test_half_precision_saves_space_and_spares_the_statistics(tmp_path: Path) -> None:
    big = {"kernel": torch.randn(64, 64, 3, 3), "running_var": torch.full((64,), 1e-9), "wide": torch.full((2, 2), 1e6)}
    whole, half = (
        write_bundle(tmp_path / f"h{h}", FACTS, weights={"n": big}, metrics={}, card="", half=bool(h)) for h in (0, 1)
    )
    sizes = [bundle.weights_path("n").stat().st_size for bundle in (whole, half)]
    assert sizes[1] < 0.52 * sizes[0]
    stored = load_file(half.weights_path("n"))
    assert stored["kernel"].dtype == torch.float16
    assert torch.equal(stored["running_var"], big["running_var"])
    assert torch.equal(stored["wide"], big["wide"])


def test_hash_follows_facts_and_weights(tmp_path: Path) -> None:
    from dataclasses import replace

    same = [_write(tmp_path / name).hash for name in ("a", "b")]
    assert same[0] == same[1]
    other_facts = _write(tmp_path / "c", facts=replace(FACTS, version="2")).hash
    other_weights = write_bundle(
        tmp_path / "d", FACTS, weights={"bone": {"w": torch.ones(1)}}, metrics={"dice": 0.9}, card="# toy\n"
    ).hash
    assert len({same[0], other_facts, other_weights}) == 3


def test_folder_in_use_is_not_touched(tmp_path: Path) -> None:
    _write(tmp_path / "model")
    with pytest.raises(InputError, match="already exists"):
        _write(tmp_path / "model")


@pytest.mark.parametrize("name", ["../bone", "bone/one", "", ".hidden", "a" * 70, "bone.safetensors"])
def test_names_that_are_paths_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BundleError, match="letters, digits"):
        write_bundle(tmp_path / "model", FACTS, weights={name: {"w": torch.ones(1)}}, metrics={}, card="")
    assert list(tmp_path.iterdir()) == []


def test_received_name_is_never_used_as_a_path(tmp_path: Path) -> None:
    _write(tmp_path / "model")
    path = tmp_path / "model" / "model.toml"
    path.write_text(path.read_text().replace("bone =", '"../secret" ='))
    with pytest.raises(BundleError, match=r"\.\./secret"):
        read_bundle(tmp_path / "model")


@pytest.mark.parametrize("value", [None, object()])
def test_value_that_toml_cannot_hold_leaves_nothing(tmp_path: Path, value: object) -> None:
    from dataclasses import replace

    with pytest.raises(BundleError, match="cannot hold"):
        _write(tmp_path / "model", facts=replace(FACTS, config={"a": value}))
    with pytest.raises(BundleError, match="cannot hold"):
        write_bundle(tmp_path / "model", FACTS, weights={}, metrics={"dice": float("nan")}, card="")
    assert list(tmp_path.iterdir()) == []


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8])


def _alter(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [Path.unlink, _truncate, _alter])
def test_damaged_weights_are_named(tmp_path: Path, damage: object) -> None:
    _write(tmp_path / "model")
    damage(tmp_path / "model" / "bone.safetensors")  # type: ignore[operator]
    with pytest.raises(BundleError, match=r"model/bone\.safetensors"):
        read_bundle(tmp_path / "model")


@pytest.mark.parametrize("content", [None, "[1, 2]", "{", "\x00", "[" * 100_000, '{"dice": NaN}'])
def test_damaged_metrics_are_named(tmp_path: Path, content: str | None) -> None:
    _write(tmp_path / "model")
    path = tmp_path / "model" / "metrics.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(BundleError, match=r"metrics\.json"):
        read_bundle(tmp_path / "model")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("osteon-model/1", "osteon-model/2"), "'osteon-model/2', but this osteon .* reads 'osteon-model/1'"),
        (('system = "lytic"', 'system = ""'), "must be texts"),
        (('system = "lytic"', ""), "'system' missing"),
        (("[weights]", "[other]"), "'weights' missing"),
        (("[calibration]", "[[calibration]]"), "must be tables"),
        (("=", "?"), "not TOML"),
    ],
)
def test_wrong_facts_are_named(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    _write(tmp_path / "model")
    path = tmp_path / "model" / "model.toml"
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(BundleError, match=message):
        read_bundle(tmp_path / "model")


def test_folder_that_is_no_bundle_is_said(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no model\.toml"):
        read_bundle(tmp_path)
    (tmp_path / "model.toml").write_bytes(b"#" * (4 * 2**20 + 1))
    with pytest.raises(BundleError, match="larger than"):
        read_bundle(tmp_path)


def test_unknown_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no weights 'spine'.*bone"):
        _write(tmp_path / "model").weights_path("spine")


def test_metrics_are_readable_by_anyone(tmp_path: Path) -> None:
    _write(tmp_path / "model")
    assert json.loads((tmp_path / "model" / "metrics.json").read_text()) == {"dice": 0.9}
