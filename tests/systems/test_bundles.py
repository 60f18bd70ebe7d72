from pathlib import Path

import pytest
import torch

from osteon.errors import BundleError, UsageError
from osteon.systems.bundles import bundle_of, choose_device, unusable


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
    folder = Path(__file__).parents[2] / "src" / "osteon" / "models" / "lytic"
    assert bundle_of(folder, "lytic").facts.system == "lytic"
    with pytest.raises(BundleError, match="'lytic'; expected 'tumor'"):
        bundle_of(folder, "tumor")


def test_what_cannot_be_used_names_folder_and_reason():
    text = str(unusable(Path("somewhere/model"), KeyError("threshold")))
    assert text.startswith("model: ")
    assert "KeyError: 'threshold'" in text
    assert "somewhere" not in text
