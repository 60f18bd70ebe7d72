from __future__ import annotations

import pytest
import torch

from osteon.training.dice import dice_bce_loss, dice_counts, dice_loss


@pytest.fixture
def case() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(3, 2, 8, 9, generator=generator), (torch.rand(3, 2, 8, 9, generator=generator) > 0.7).float()


@pytest.mark.parametrize("whole_batch", [False, True])
def test_agrees_with_monai(case: tuple[torch.Tensor, torch.Tensor], whole_batch: bool) -> None:
    from monai.losses.dice import DiceLoss

    reference = DiceLoss(sigmoid=True, batch=whole_batch)(*case)
    torch.testing.assert_close(dice_loss(*case, whole_batch=whole_batch), reference)


def test_bce_is_added(case: tuple[torch.Tensor, torch.Tensor]) -> None:
    logits, mask = case
    probability = logits.double().sigmoid()
    bce = -(mask * probability.log() + (1 - mask) * (1 - probability).log()).mean()
    torch.testing.assert_close(dice_bce_loss(logits, mask, bce_weight=0.5), dice_loss(*case) + 0.5 * bce.float())
    assert dice_bce_loss(logits, mask, bce_weight=0) == dice_loss(*case)


def test_empty_mask_is_well_defined() -> None:
    empty = torch.zeros(1, 1, 4, 4)
    assert float(dice_loss(torch.full_like(empty, -40.0), empty)) == pytest.approx(0, abs=1e-5)
    assert float(dice_loss(torch.full_like(empty, 4.0), empty)) == pytest.approx(1, abs=1e-5)
    logits = torch.zeros(1, 1, 4, 4, requires_grad=True)
    dice_bce_loss(logits, empty).backward()
    assert logits.grad is not None
    assert (logits.grad > 0).all()


def test_counts_make_the_hard_coefficient() -> None:
    logits = torch.tensor([[[[9.0, 9.0, -9.0, -9.0]]], [[[-9.0, -9.0, -9.0, -9.0]]]])
    mask = torch.tensor([[[[1, 0, 1, 0]]], [[[0, 0, 0, 0]]]])
    twice, total = dice_counts(logits, mask)
    assert twice.tolist() == [2, 0]
    assert total.tolist() == [4, 0]
