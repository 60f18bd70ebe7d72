"""The bone masks that detectors learn on: the bone network's own, which are those they get when they read.

Taught on true masks, a detector leans on their perfect outlines and finds a third of the lesions when it reads.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from osteon.files import whole_file
from osteon.systems.lytic.bone import bone_stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import nn

    from osteon.systems.lytic.cases import TrainingCase
    from osteon.systems.lytic.config import LyticConfig


def with_predicted_bone(
    cases: Sequence[TrainingCase],
    bone: nn.Module,
    *,
    config: LyticConfig,
    folder: Path,
    on_case: Callable[[int, int, str], None] = lambda done, total, case: None,
) -> tuple[TrainingCase, ...]:
    """The same cases with the bone network's masks in place of the true ones, kept in ``folder`` for a resumed run."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for number, case in enumerate(cases, start=1):
        path = folder / f"{case.voxels}.npy"
        if not path.exists():
            sites = bone_stage(config.bone).bone_masks(
                bone, np.asarray(case.hu), spacing_mm=case.spacing_mm, config=config.bone
            )
            with whole_file(path) as draft, draft.open("wb") as file:
                np.save(file, sites)
        changed.append(replace(case, sites=np.load(path, mmap_mode="r")))
        on_case(number, len(cases), case.case)
    return tuple(changed)
