"""What is neither lesion nor wear but was marked as metastasis: veins, thyroid, piriformis, irradiated marrow.

Thyroid and piriformis are false positives that the metastasis study names (doi 10.3348/kjr.2023.0671). They lie beside
the spine and are painted as spots that grow out of bone. Places follow anatomy texts in outline.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from osteon.phantom.anatomy.shapes import Limb
from osteon.phantom.lesions import places, tissues
from osteon.phantom.lesions.forms import draw_design, longest_mm
from osteon.phantom.lesions.myeloma import all_marrow
from osteon.phantom.lesions.spot import Spot

if TYPE_CHECKING:
    import numpy as np

    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.person import Person
    from osteon.phantom.anatomy.shapes import Solid
    from osteon.phantom.tissue import Tissue

GOITRE_SHARE = 0.12
"""Share of people with an enlarged, lumpy thyroid; a guess."""
FIELD_BONES = (3, 8)
"""Vertebrae in a radiation field."""


def _organ(bone: Bone, solid: Solid, *, kind: str, tissue: Tissue, size_mm: float) -> Spot:
    return Spot(
        kind=kind,
        bone=bone.name,
        site=bone.site,
        label=bone.label,
        solid=solid,
        hu=tissue.hu,
        edge_mm=0.6,
        strength=1.0,
        destroys_cortex=False,
        wobble_mm=0.8,
        diameter_mm=size_mm,
        tissue=tissue,
        grows_out=True,
    )


def draw_goitre(bones: tuple[Bone, ...], person: Person, *, rng: np.random.Generator) -> list[Spot]:
    """An enlarged, lumpy thyroid beside the windpipe in front of C6 to T1, in some; none where C7 is not in view."""
    bone = next((one for one in bones if one.name == "C7"), None)
    body = None if bone is None else places.body_of(bone)
    if bone is None or body is None or rng.random() >= GOITRE_SHARE:
        return []
    large = float(rng.uniform(1.2, 1.9)) * person.scale
    tissue = tissues.varied(tissues.THYROID, rng)
    tissue = replace(tissue, hu=tissue.hu + 0.5 * person.contrast_hu)
    spots = []
    for side in (-1, 1):
        centre = places.to_lps(body, (side * 17.0 * large, -0.5 * body.depth_mm - 20.0, 4.0 + float(rng.normal(0, 4))))
        solid = draw_design(rng, lobes=4, stretch=0.2, roughness=0.05, frame=body.frame).at(centre, 11.0 * large)
        spots.append(_organ(bone, solid, kind="goitre", tissue=tissue, size_mm=longest_mm(solid)))
    return spots


def draw_piriformis(bones: tuple[Bone, ...], person: Person, *, rng: np.random.Generator) -> list[Spot]:
    """The muscle from the front of S2 to S4 towards the hip, on both sides; none where the sacrum is not in view."""
    bone = next((one for one in bones if one.site == "sacrum"), None)
    body = None if bone is None else places.body_of(bone)
    if bone is None or body is None:
        return []
    tissue = tissues.varied(tissues.MUSCLE, rng)
    tissue = replace(tissue, hu=tissue.hu + 0.1 * person.contrast_hu)
    s, spots = person.scale, []
    for side in (-1, 1):
        start = places.to_lps(body, (side * 20.0 * s, 8.0 * s, -62.0 * s))
        end = places.to_lps(body, (side * 88.0 * s, 4.0 * s, -84.0 * s))
        thick = float(rng.uniform(9, 14)) * s
        spots.append(
            _organ(bone, Limb(start, end, thick, 0.5 * thick), kind="piriformis", tissue=tissue, size_mm=2 * thick)
        )
    return spots


def draw_radiation(bones: tuple[Bone, ...], *, rng: np.random.Generator) -> list[Spot]:
    """Fatty marrow with sharp ends in some neighbouring vertebrae, as after radiotherapy."""
    spine = sorted((bone for bone in bones if places.region(bone)), key=lambda bone: bone.label)
    if len(spine) < FIELD_BONES[0]:
        return []
    count = int(rng.integers(FIELD_BONES[0], min(FIELD_BONES[1], len(spine)) + 1))
    first = int(rng.integers(0, len(spine) - count + 1))
    tissue, strength = tissues.varied(tissues.FAT_MARROW, rng), float(rng.uniform(0.6, 0.95))
    chosen = spine[first : first + count]
    return [all_marrow(bone, tissue, kind="irradiated marrow", strength=strength) for bone in chosen]
