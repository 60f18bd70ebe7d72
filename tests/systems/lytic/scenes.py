"""Blocks of bone with dark balls, and networks that see exactly what is there."""

import numpy as np
import torch
from scipy import ndimage

from osteon.networks.yolov5 import Detections
from osteon.systems.lytic.cases import TrainingCase
from osteon.systems.lytic.config import SITES, BoneConfig
from osteon.systems.lytic.fold import Fold

BONE_HU, BALL_HU, SOFT_HU = 700, -50, 60


class FakeBone(torch.nn.Module):
    """Bone above 250 HU in the middle channel; every site a rib."""

    def __init__(self):
        super().__init__()
        self.anything = torch.nn.Parameter(torch.zeros(1))

    def forward(self, images):
        low, high = BoneConfig().window_hu
        logits = torch.zeros(len(images), 1 + len(SITES), *images.shape[2:])
        logits[:, 0] = ((images[:, 1] - (250 - low) / (high - low)) * 1e4).clamp(-30, 30)
        logits[:, 1 + SITES.index("rib")] = 1
        return logits


class FakeDetector(torch.nn.Module):
    """Parameters for ``fake_detect``: boxes fixed beforehand (x0 y0 x1 y1 score), or those of dark spots."""

    def __init__(self, fixed=None):
        super().__init__()
        self.anything = torch.nn.Parameter(torch.zeros(1))
        self.fixed, self.sizes = fixed, set()


def fake_detect(model, images, *, confidence, iou):
    """In place of ``networks.yolov5.detect``; bigger spots score higher."""
    model.sizes.add(tuple(images.shape))
    rows = model.fixed if model.fixed is not None else dark_spots(images[0, 1].numpy())
    table = torch.tensor(rows, dtype=torch.float32).reshape(-1, 5)
    table = table[table[:, 4].argsort(descending=True)]
    return [Detections(boxes_xyxy=table[:, :4], scores=table[:, 4], classes=torch.zeros(len(table), dtype=torch.int64))]


def dark_spots(plane):
    """Boxes of what is dark and enclosed by bright bone."""
    bright = plane > 0.6
    dark = ndimage.binary_fill_holes(bright) & (plane < 0.45)
    parts, _ = ndimage.label(dark)
    rows = []
    for y, x in ndimage.find_objects(parts):
        side = max(y.stop - y.start, x.stop - x.start)
        if side >= 4:
            rows.append((x.start, y.start, x.stop, y.stop, min(0.3 + 0.02 * side, 0.95)))
    return rows


def axes_mm(shape, spacing):
    """Coordinates (z, y, x) in mm of voxel centres, the first at 0."""
    return np.meshgrid(*(np.arange(n) * s for n, s in zip(shape, spacing[::-1], strict=True)), indexing="ij")


def block(shape, spacing):
    """Soft tissue with a block of bone 5 mm from every side, HU (z, y, x)."""
    far = np.ones(shape, dtype=bool)
    for at, n, s in zip(axes_mm(shape, spacing), shape, spacing[::-1], strict=True):
        far &= (at >= 5) & (at <= (n - 1) * s - 5) if n * s > 20 else True
    return np.where(far, BONE_HU, SOFT_HU).astype(np.int16)


def ball(hu, *, centre_mm, radius_mm, spacing):
    """Put a dark ball into the volume, in place; its mask."""
    z, y, x = axes_mm(hu.shape, spacing)
    mask = (x - centre_mm[0]) ** 2 + (y - centre_mm[1]) ** 2 + (z - centre_mm[2]) ** 2 <= radius_mm**2
    hu[mask] = BALL_HU
    return mask


def case(name, *, patient=None, cohort="clinic", voxels=None, **known):
    """A training case of next to nothing; ``known`` replaces its facts."""
    zeros = np.zeros((2, 8, 8), dtype=np.uint8)
    facts = {"phantom": False, "has_bone": True, "has_sites": True, "has_lesions": True, "sites": zeros + 1, **known}
    return TrainingCase(
        case=name, patient=patient or name, cohort=cohort, fingerprint=f"f{name}", voxels=voxels or f"v{name}{cohort}",
        **{"spacing_mm": (1.0, 1.0, 1.0), "hu": zeros.astype(np.int16), "lesions": zeros.astype(np.uint16), **facts},
    )  # fmt: skip


def fold(train, validation):
    return Fold(train=tuple(train), validation=tuple(validation), fingerprint="0")
