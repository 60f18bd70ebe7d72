"""Training that goes on from the shipped model: its networks whole, other settings and known patients refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from osteon.errors import CohortError, UsageError
from osteon.networks.faster_rcnn import build_detector
from osteon.networks.sequence_classifier import SequenceClassifier
from osteon.systems.bundles import shipped_folder
from osteon.systems.tumor import start as module
from osteon.systems.tumor.age import make_table
from osteon.systems.tumor.answers import Pair
from osteon.systems.tumor.bundle import load_model, save_model
from osteon.systems.tumor.cases import TumorCase
from osteon.systems.tumor.detector import net_config
from osteon.systems.tumor.fusion import PUBLISHED, ChosenWeights
from tests.systems.tumor.make import TINY

if TYPE_CHECKING:
    from pathlib import Path

GOES_ON = replace(TINY, weights="shipped")


@pytest.fixture(autouse=True)
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny model in the place of the shipped one."""
    torch.manual_seed(7)
    save_model(
        tmp_path / "tumor",
        config=TINY,
        pair=Pair(
            detector=build_detector(net_config(TINY.detector)).eval(),
            sequence=SequenceClassifier("tiny", frames=4).eval(),
            started_from="none",
        ),
        table=make_table([40.0, 60.0], [False, True], edges=(50.0,), prior=4.0),
        chosen=ChosenWeights(weights=PUBLISHED, accuracy=1.0, auc=1.0),
        training_data={"kind": "phantom", "description": "none", "fingerprints": ["seen"]},
        metrics={},
    )
    monkeypatch.setattr(module, "shipped_folder", lambda system: tmp_path / system)
    return tmp_path / "tumor"


def _case(voxels: str) -> TumorCase:
    return TumorCase(
        case=f"case-{voxels}", patient=voxels, age_years=50.0, malignant=True, histology="", location="",
        metastasis=False, series=(), voxels=voxels,
    )  # fmt: skip


def test_both_networks_are_the_shipped_ones(shipped: Path) -> None:
    start = module.start_of(GOES_ON)
    assert start is not None
    detector, sequence = build_detector(net_config(TINY.detector)), SequenceClassifier("tiny", frames=4)
    module.begin_detector(detector, start)
    said = module.begin_sequence(sequence, start)
    theirs = load_model(shipped, device="cpu").pair
    for ours, there in ((detector, theirs.detector), (sequence, theirs.sequence)):
        for name, value in there.state_dict().items():
            torch.testing.assert_close(ours.state_dict()[name], value)
    assert "shipped model tumor-tiny" in said


def test_another_number_of_slices_shares_the_first_kernels_out() -> None:
    start = module.start_of(GOES_ON)
    assert start is not None
    model = SequenceClassifier("tiny", frames=8)
    module.begin_sequence(model, start)
    first = "backbone.body." + model.backbone.body.pretrained_cfg["first_conv"] + ".weight"
    ours, theirs = model.state_dict()[first], start.sequence[first].float()
    assert ours.shape[1] == 8
    torch.testing.assert_close(ours.sum(dim=1), theirs.sum(dim=1), atol=1e-3, rtol=1e-3)


def test_other_starts_take_nothing_of_it() -> None:
    assert module.start_of(TINY) is None
    module.refuse_known([_case("seen")], module.start_of(TINY))


def test_settings_that_shape_the_networks_must_be_the_same() -> None:
    with pytest.raises(UsageError, match=r"detector\.even_out is 0\.1, in the shipped model 0\.0"):
        module.start_of(replace(GOES_ON, detector=replace(TINY.detector, even_out=0.1)))


def test_patients_of_the_shipped_model_are_refused() -> None:
    start = module.start_of(GOES_ON)
    module.refuse_known([_case("new")], start)
    with pytest.raises(CohortError, match="case-seen"):
        module.refuse_known([_case("new"), _case("seen")], start)


def test_the_patients_of_the_start_are_known() -> None:
    start = module.start_of(GOES_ON)
    assert start is not None
    assert start.known == {"seen"}


def test_without_a_shipped_model_there_is_nothing_to_go_on_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "shipped_folder", lambda system: shipped_folder("no-such-system"))
    with pytest.raises(UsageError, match="no tumor model ships"):
        module.start_of(GOES_ON)
