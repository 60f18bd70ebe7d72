"""What a series is for: reconstruction kernel on CT, weighting, fat suppression, Dixon part and contrast on MR.

Scanners do not state roles; they are read from what they do state, coded attributes before free text. None means that
nothing was plain, which is no fault.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from osteon.records import Series

CT_BONE, CT_SOFT = "CT bone kernel", "CT soft kernel"
T1, T1_FAT_SUPPRESSED, T1_CONTRAST = "T1", "T1 fat-suppressed", "T1 contrast-enhanced"
T2, T2_FAT_SUPPRESSED, STIR, PD = "T2", "T2 fat-suppressed", "STIR", "PD"
DIXON = {"FAT": "Dixon fat", "WATER": "Dixon water", "IN": "Dixon in-phase", "OUT": "Dixon out-of-phase"}
DIFFUSION = "diffusion"
SHARP_FROM = 48
"""Siemens kernel numbers from which on edges are enhanced; soft-tissue kernels lie below 45."""
_DIXON_TOKENS = {
    "FAT": ("FAT", "F", "FAT_IMAGE"),
    "WATER": ("WATER", "W", "WATER_IMAGE"),
    "IN": ("IN_PHASE", "IP", "IN", "INPHASE"),
    "OUT": ("OUT_PHASE", "OPP_PHASE", "OP", "OPP", "OUTPHASE", "OUT_OF_PHASE"),
}
_BONE_KERNELS = frozenset(
    {"BONE", "BONEPLUS", "BONEPLUS2", "EDGE", "LUNG", "ULTRA", "YB", "YC", "YD", "YE", "L", "D", "E"}
)
_SOFT_KERNELS = frozenset({"STANDARD", "STND", "SOFT", "DETAIL", "A", "B", "C", "YA"})


def role(series: Series) -> str | None:
    """The role of a CT or MR series, one of this module's constants, or None if it cannot be told."""
    if series.modality == "CT":
        return _ct_role(series.attributes.get("ConvolutionKernel"))
    if series.modality == "MR":
        return _mr_role(series)
    return None


def _ct_role(kernel: str | None) -> str | None:
    if not kernel:
        return None
    name = kernel.split("\\")[0].strip().upper()
    if name in _BONE_KERNELS:
        return CT_BONE
    if name in _SOFT_KERNELS:
        return CT_SOFT
    if canon := re.match(r"FC(\d\d)", name):
        number = int(canon[1])
        return CT_SOFT if number < 20 else CT_BONE if number >= 30 else None
    if siemens := re.match(r"[A-Z]{1,2}(\d\d)", name):
        return CT_BONE if int(siemens[1]) >= SHARP_FROM else CT_SOFT
    return None


def _mr_role(series: Series) -> str | None:
    attributes = series.attributes
    text = " ".join((series.description or "", str(attributes.get("ProtocolName", "")))).lower()
    words = set(re.split(r"[^a-z0-9+]+", text))
    if attributes.get("DiffusionBValue") or words & {"dwi", "diff", "adc", "trace", "ep2d", "resolve"}:
        return DIFFUSION
    if dixon := _dixon_part(series):
        return dixon
    weighting = _weighting(words, series)
    fat = words & {"fs", "fatsat", "spair", "spir", "fatsup"} or "FS" in attributes.get("ScanOptions", ())
    if weighting == T1:
        enhanced = "ContrastBolusAgent" in attributes or words & {"gd", "ce", "post", "km", "+c", "gado", "contrast"}
        return T1_CONTRAST if enhanced else T1_FAT_SUPPRESSED if fat else T1
    return T2_FAT_SUPPRESSED if weighting == T2 and fat else weighting


def _dixon_part(series: Series) -> str | None:
    """Fat, water or phase image by ImageType or FrameType, from its third value on."""
    tokens = [*series.attributes.get("ImageType", ())[2:], *series.attributes.get("FrameType", ())[2:]]
    found = {part for part, names in _DIXON_TOKENS.items() if any(token.upper() in names for token in tokens)}
    return DIXON[found.pop()] if len(found) == 1 else None


def _weighting(words: set[str], series: Series) -> str | None:
    """T1, T2, PD or STIR: by name if there is one name, else by the times of a spin echo."""
    attributes = series.attributes
    if words & {"stir", "tirm"}:
        return STIR
    named = {kind for kind, names in ((T1, {"t1", "t1w"}), (T2, {"t2", "t2w"}), (PD, {"pd", "pdw"})) if words & names}
    if len(named) == 1:
        return named.pop()
    echo, repetition = attributes.get("EchoTime"), attributes.get("RepetitionTime")
    sequence = attributes.get("ScanningSequence", ())
    if named or echo is None or repetition is None or "SE" not in sequence:
        return None
    if "IR" in sequence and 80 <= attributes.get("InversionTime", 0) <= 300:
        return STIR
    if echo < 30 and repetition < 1200:
        return T1
    if echo >= 60 and repetition >= 1800:
        return T2
    return PD if echo < 45 and repetition >= 1800 else None
