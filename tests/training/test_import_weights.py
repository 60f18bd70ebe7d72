"""A YOLOv5 checkpoint from elsewhere: found out, filled, kept as a bundle, started from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from typer.testing import CliRunner

from osteon.cli.main import build_app
from osteon.errors import BundleError, InputError, UsageError
from osteon.networks.fusion import fuse
from osteon.networks.yolov5 import YOLOv5, YOLOv5Config, build_yolov5
from osteon.systems.lytic.bundle import load_model
from osteon.training.bundle import read_bundle
from osteon.training.import_weights import import_yolov5, start_from
from osteon.training.yolov5_weights import yolov5_from_tensors

if TYPE_CHECKING:
    from pathlib import Path

ANCHORS = (((4, 5), (8, 8), (12, 9)), ((16, 20), (20, 18), (30, 31)), ((40, 50), (64, 60), (90, 90)))


@pytest.fixture(scope="module")
def theirs() -> YOLOv5:
    torch.manual_seed(8)
    model = build_yolov5(YOLOv5Config(size="n", classes=4, in_channels=3, anchors=ANCHORS))
    model(torch.rand(2, 3, 64, 64))
    return model.eval()


def tensors_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("prefix", ["", "module.", "model.model."])
def test_the_network_is_found_out_from_its_tensors(theirs: YOLOv5, prefix: str) -> None:
    named = {prefix + name: value for name, value in tensors_of(theirs).items()}
    found = yolov5_from_tensors(named, source="x")
    assert found.config == theirs.config
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        for ours, expected in zip(found(image), theirs(image), strict=True):
            torch.testing.assert_close(ours, expected)


def test_half_precision_extra_buffers_and_missing_counters_are_taken(theirs: YOLOv5) -> None:
    named = {name: value.half() for name, value in tensors_of(theirs).items() if "num_batches" not in name}
    named["model.24.anchor_grid"] = torch.zeros(3, 1, 3, 1, 1, 2)
    found = yolov5_from_tensors(named, source="x")
    assert next(found.parameters()).dtype == torch.float32
    torch.testing.assert_close(
        found.state_dict()["model.1.conv.weight"], theirs.state_dict()["model.1.conv.weight"], rtol=1e-3, atol=1e-3
    )


def test_what_is_no_release_6_is_said(theirs: YOLOv5) -> None:
    named = tensors_of(theirs)
    with pytest.raises(InputError, match="Focus"):
        yolov5_from_tensors({"model.0.conv.conv.weight": torch.zeros(1)}, source="x")
    with pytest.raises(InputError, match="names such as 'fc'"):
        yolov5_from_tensors({"fc": torch.zeros(1)}, source="x")
    with pytest.raises(InputError, match="fold"):
        yolov5_from_tensors(tensors_of(fuse(theirs)), source="x")
    with pytest.raises(InputError, match=r"model\.24\.anchors"):
        yolov5_from_tensors({k: v for k, v in named.items() if k != "model.24.anchors"}, source="x")
    with pytest.raises(InputError, match="6 x 6"):
        yolov5_from_tensors({**named, "model.0.conv.weight": torch.zeros(17, 3, 6, 6)}, source="x")
    with pytest.raises(InputError, match="outputs"):
        yolov5_from_tensors({**named, "model.24.m.0.weight": torch.zeros(10, 64, 1, 1)}, source="x")


def test_every_tensor_must_fit(theirs: YOLOv5) -> None:
    named = tensors_of(theirs)
    with pytest.raises(BundleError, match=r"missing model\.3\.conv\.weight"):
        yolov5_from_tensors({k: v for k, v in named.items() if k != "model.3.conv.weight"}, source="x")
    with pytest.raises(BundleError, match=r"unknown model\.25"):
        yolov5_from_tensors({**named, "model.25.weight": torch.zeros(1)}, source="x")
    with pytest.raises(BundleError, match="no numbers"):
        yolov5_from_tensors({**named, "model.3.conv.weight": named["model.3.conv.weight"] * torch.nan}, source="x")


def test_the_command_writes_a_bundle_that_training_starts_from(theirs: YOLOv5, tmp_path: Path) -> None:
    torch.save(theirs.state_dict(), tmp_path / "theirs.pt")
    answer = CliRunner().invoke(
        build_app(), ["weights", "import", str(tmp_path / "theirs.pt"), "--out", str(tmp_path / "bundle")]
    )
    assert answer.exit_code == 0, answer.output
    assert "YOLOv5n, 4 classes" in answer.stdout
    bundle = read_bundle(tmp_path / "bundle")
    assert bundle.facts.classes == ("class 0", "class 1", "class 2", "class 3")
    torch.manual_seed(1)
    ours = build_yolov5(YOLOv5Config(size="n", classes=1))
    before = tensors_of(ours)
    taken = start_from(ours, tmp_path / "bundle")
    changed = {name for name, value in ours.state_dict().items() if not torch.equal(value, before[name])}
    assert taken == len([name for name in before if not name.startswith("model.24.")])
    assert changed
    assert not any(name.startswith("model.24.") for name in changed)
    torch.testing.assert_close(
        ours.state_dict()["model.9.cv2.conv.weight"], theirs.state_dict()["model.9.cv2.conv.weight"]
    )


def test_an_imported_network_reads_nothing_by_itself(theirs: YOLOv5, tmp_path: Path) -> None:
    torch.save(theirs.state_dict(), tmp_path / "theirs.pt")
    import_yolov5(tmp_path / "theirs.pt", tmp_path / "bundle", classes=("a", "b", "c", "d"))
    with pytest.raises(BundleError, match="yolov5"):
        load_model(tmp_path / "bundle", device="cpu")
    with pytest.raises(UsageError, match="2 names for 4"):
        import_yolov5(tmp_path / "theirs.pt", tmp_path / "again", classes=("a", "b"))
    assert not (tmp_path / "again").exists()
    with pytest.raises(BundleError, match="expected an imported YOLOv5s"):
        start_from(build_yolov5(YOLOv5Config(size="s")), tmp_path / "bundle")
