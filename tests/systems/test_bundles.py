from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from osteon.errors import BundleError, CohortError, UsageError
from osteon.systems.bundles import (
    bundle_of,
    card_warning,
    choose_device,
    config_facts,
    trained_on,
    unusable,
    usable_facts,
)

LYTIC = Path(__file__).parents[2] / "src" / "osteon" / "models" / "lytic"


def test_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == "cpu"
    with pytest.raises(UsageError, match="no GPU"):
        choose_device("cuda")
    with pytest.raises(UsageError, match="'tpu'"):
        choose_device("tpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == choose_device("cuda") == "cuda"


def test_a_bundle_of_another_system_is_named():
    assert bundle_of(LYTIC, "lytic").facts.system == "lytic"
    with pytest.raises(BundleError, match="'lytic'; expected 'tumor'"):
        bundle_of(LYTIC, "tumor")


def test_what_cannot_be_used_names_folder_and_reason():
    text = str(unusable(Path("somewhere/model"), KeyError("threshold")))
    assert text.startswith("model: ")
    assert "KeyError: 'threshold'" in text
    assert "somewhere" not in text


@pytest.mark.parametrize("error", [KeyError("threshold"), UsageError("no such key"), CohortError("x"), ValueError("y")])
def test_whatever_is_wrong_with_the_facts_is_a_bundle_error(error):
    words = rf"model: what model\.toml says cannot be used .{type(error).__name__}"
    with pytest.raises(BundleError, match=words), usable_facts(Path("somewhere/model")):
        raise error
    with pytest.raises(BundleError, match=r"^as it was$"), usable_facts(Path("somewhere/model")):
        raise BundleError("as it was")


@dataclass(frozen=True)
class Inner:
    edges: tuple[float, ...] = (1.0, 2.0)


@dataclass(frozen=True)
class Config:
    inner: Inner = field(default_factory=Inner)
    window: tuple[float, float] = (-160.0, 240.0)
    weights: str = "/home/somebody/weights.pth"
    device: str = "cuda"


def test_settings_go_with_a_model_without_what_is_of_this_machine():
    assert config_facts(Config(), started_from="file weights.pth") == {
        "inner": {"edges": [1.0, 2.0]},
        "window": [-160.0, 240.0],
        "weights": "file weights.pth",
        "device": "auto",
    }


def test_scans_of_the_training_are_known_again():
    bundle = bundle_of(LYTIC, "lytic")
    known = bundle.facts.training_data["fingerprints"]
    assert trained_on(bundle, known[0])
    assert not trained_on(bundle, "0" * 16)


def test_a_card_begins_with_what_the_model_is_not():
    assert "phantoms only" in card_warning({"kind": "phantom"})
    assert "Not a medical device" in card_warning({"kind": "real"})
