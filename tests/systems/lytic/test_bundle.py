import re
import shutil
from dataclasses import replace

import pytest
import torch

from osteon.errors import BundleError, UsageError
from osteon.systems.lytic.bone_slices import build_bone_network
from osteon.systems.lytic.bundle import as_shipped, load_model, save_model, trained_on
from osteon.systems.lytic.config import LyticConfig
from osteon.systems.lytic.detector import build_detector
from osteon.systems.lytic.false_positive_reduction import ThreePlanes
from osteon.systems.settings import configure

CONFIG = configure(LyticConfig(), {"bone": {"channels": [4, 8]}})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    torch.manual_seed(0)
    bone, detector = build_bone_network(CONFIG.bone).eval(), build_detector(CONFIG.detector).eval()
    reduction = ThreePlanes(CONFIG.reduction).eval()
    folder = tmp_path_factory.mktemp("bundle") / "model"
    save_model(
        folder, config=CONFIG, bone=bone, detectors=[detector], reduction=reduction, metrics={},
        calibration={"weights": [0.0]}, operating_point={"threshold": 0.5},
        training_data={"kind": "phantom", "fingerprints": ["0123456789abcdef"], "sites_known": False},
    )  # fmt: skip
    return folder, bone, detector, reduction


def test_what_is_calibrated_is_what_ships(trained):
    folder, bone, detector, reduction = trained
    before = {name: tensor.clone() for name, tensor in bone.state_dict().items()}
    loaded = load_model(folder, device="cpu")
    pairs = [(as_shipped(bone, half=True), loaded.bone), (as_shipped(reduction), loaded.reduction)]
    for ours, theirs in [*pairs, (as_shipped(detector, half=True), loaded.detectors[0])]:
        assert ours.state_dict().keys() == theirs.state_dict().keys()
        assert all(torch.equal(tensor, theirs.state_dict()[name]) for name, tensor in ours.state_dict().items())
    assert all(torch.equal(tensor, before[name]) for name, tensor in bone.state_dict().items())
    image = torch.randn(1, 3, 32, 32)
    assert not torch.equal(bone(image), as_shipped(bone)(image))
    assert torch.allclose(bone(image), as_shipped(bone)(image), atol=0.05)


def test_scans_that_trained_the_model_are_known(trained):
    bundle = load_model(trained[0], device="cpu").bundle
    assert trained_on(bundle, "0123456789abcdef")
    assert not trained_on(bundle, "ffffffffffffffff")
    older = replace(bundle, facts=replace(bundle.facts, training_data={"kind": "phantom"}))
    assert not trained_on(older, "0123456789abcdef")


def test_card_leaves_fingerprints_out(trained):
    card = load_model(trained[0], device="cpu").bundle.card
    assert "sites known: False" in card
    assert "0123456789abcdef" not in card


@pytest.mark.parametrize(
    ("pattern", "text", "words"),
    [
        (r"\nthreshold = 0\.5", "\nlimit = 0.5", "threshold"),
        (r"\nthreshold = 0\.5", '\nthreshold = "half"', "half"),
        (r"\nprecision = ", "\nprecison = ", "precison"),
        (r"\nmembers = 1", "\nmembers = 2", "model.toml"),
        (r"\nmembers = 1", "\nmembers = 9", "members"),
        (r'\nsize = "n"', "\nsize = 5", "size"),
        (r"\nresidual_units = 1", "\nresidual_units = -1", "residual_units"),
    ],
)
def test_content_that_cannot_be_used_names_the_bundle(trained, tmp_path, pattern, text, words):
    folder = tmp_path / "odd"
    shutil.copytree(trained[0], folder)
    facts = folder / "model.toml"
    changed, count = re.subn(pattern, text, facts.read_text())
    assert count == 1
    facts.write_text(changed)
    with pytest.raises(BundleError, match=rf"^odd: .*{words}"):
        load_model(folder, device="cpu")


def test_an_unknown_device_is_the_callers_mistake(trained):
    with pytest.raises(UsageError, match="tpu"):
        load_model(trained[0], device="tpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_the_callers_mistake(trained):
    with pytest.raises(UsageError, match="no GPU"):
        load_model(trained[0], device="cuda")


def test_an_older_bundle_reads_as_it_was_calibrated(trained, tmp_path):
    folder = tmp_path / "old"
    shutil.copytree(trained[0], folder)
    text = (folder / "model.toml").read_text()
    start = text.index("[config.reduction]")
    end = text.find("\n[", start)
    text = text[:start] + (text[end + 1 :] if end > 0 else "")
    kept = [line for line in text.splitlines() if not line.startswith(("bright_", "sha256_reduction"))]
    (folder / "model.toml").write_text("\n".join(kept) + "\n")
    old = load_model(folder, device="cpu")
    assert old.reduction is None
    assert old.config.bone.bright_threshold == 1.0
    assert next(old.detectors[0].parameters()).dtype is torch.float32
