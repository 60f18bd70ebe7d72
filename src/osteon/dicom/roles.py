"""What a series is for: reconstruction kernel on CT; weighting, fat suppression, Dixon part and contrast on MR.

Scanners do not state roles; they are read from what they do state, coded attributes before free text, in the habits of
Siemens, Philips and GE. None means that nothing was plain, which is no fault. ``role_with_reason`` says which attribute
decided. The words that vendors and technologists use are those seen in public data sets and protocols: a guess, where a
site has habits of its own, and so can be overruled (``dicom.sequences``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from osteon.records import Series

CT_BONE, CT_SOFT = "CT bone kernel", "CT soft kernel"
T1, T1_FAT_SUPPRESSED, T1_CONTRAST = "T1", "T1 fat-suppressed", "T1 contrast-enhanced"
T1_CONTRAST_FAT_SUPPRESSED = "T1 fat-suppressed contrast-enhanced"
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
_DIXON_TECHNIQUES = frozenset({"dixon", "mdixon", "flex", "ideal", "idealiq", "vibedixon", "tsedixon"})
"""Words that name a Dixon technique: Siemens and Philips (m)Dixon, GE FLEX and IDEAL."""
_DIXON_WORDS = {
    "FAT": frozenset({"f", "fat", "fatonly", "fo"}),
    "WATER": frozenset({"w", "water", "wateronly"}),
    "IN": frozenset({"in", "ip", "inphase", "inph"}),
    "OUT": frozenset({"opp", "op", "outphase", "outph", "opposed"}),
}
_CONTRAST_WORDS = frozenset({"gd", "ce", "post", "km", "+c", "c+", "gado", "gad", "+gd", "+gad", "+km", "contrast"})
_PLAIN_WORDS = frozenset(
    {"pre", "native", "nativ", "without", "ohne", "noncontrast", "precontrast", "unenhanced", "wo"}
)
_NO_AGENT = frozenset({"", "none", "no", "n", "0", "no contrast", "nein", "without"})
_FAT_WORDS = frozenset({"fs", "fatsat", "spair", "spir", "fatsup", "proset", "wfs", "fsat"})
_BONE_KERNELS = frozenset(
    {"BONE", "BONEPLUS", "BONEPLUS2", "EDGE", "LUNG", "ULTRA", "YB", "YC", "YD", "YE", "L", "D", "E"}
)
_SOFT_KERNELS = frozenset({"STANDARD", "STND", "SOFT", "DETAIL", "A", "B", "C", "YA"})
_WEIGHTINGS = {kind: re.compile(rf"[a-z]?{kind.lower()}(w|wi|tse|fse|se|tsew|dixon|flair)?") for kind in (T1, T2, PD)}
"""One word of a description that names a weighting: t1, T1w, Philips's sT1W, t1tse."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RoleReason:
    """A role and what decided it.

    Attributes:
        role: one of this module's constants, or None.
        reason: the attributes behind it with their values, in the order in which they were asked; for None, what was
            missing or contradictory. File names, which can name a patient, are not quoted.
    """

    role: str | None
    reason: str


def role(series: Series) -> str | None:
    """The role of a CT or MR series, one of this module's constants, or None if it cannot be told."""
    return role_with_reason(series).role


def role_with_reason(series: Series) -> RoleReason:
    """The role of a CT or MR series, and which attributes decided."""
    if series.modality == "CT":
        kernel = series.attributes.get("ConvolutionKernel")
        return RoleReason(role=_ct_role(kernel), reason=f"ConvolutionKernel {kernel or 'absent'}")
    if series.modality == "MR":
        return _mr_role(series)
    return RoleReason(role=None, reason=f"Modality {series.modality}")


def weighting(series: Series) -> str | None:
    """T1, T2, PD or STIR of an MR series whatever its Dixon part and contrast; None if it cannot be told."""
    found = _weighting(_words(series), series)
    return found[0] if found else None


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


def _mr_role(series: Series) -> RoleReason:
    words = _words(series)
    if why := _diffusion(words, series):
        return RoleReason(role=DIFFUSION, reason=why)
    dixon, named, enhanced = _dixon_part(words, series), _weighting(words, series), _contrast(words, series)
    if dixon is not None:
        part, why = dixon
        if part == "WATER" and named and named[0] == T1 and enhanced:
            return RoleReason(role=T1_CONTRAST_FAT_SUPPRESSED, reason="; ".join((why, named[1], enhanced)))
        return RoleReason(role=DIXON[part], reason=why)
    if named is None:
        return RoleReason(role=None, reason=_nothing_plain(words, series))
    kind, why = named
    fat = _fat_suppression(words, series)
    if kind == T1:
        kinds = {
            (True, True): T1_CONTRAST_FAT_SUPPRESSED,
            (True, False): T1_CONTRAST,
            (False, True): T1_FAT_SUPPRESSED,
            (False, False): T1,
        }
        reason = "; ".join(part for part in (why, fat, enhanced) if part)
        return RoleReason(role=kinds[bool(enhanced), bool(fat)], reason=reason)
    if kind == T2 and fat:
        return RoleReason(role=T2_FAT_SUPPRESSED, reason=f"{why}; {fat}")
    return RoleReason(role=kind, reason=why)


def _text_source(series: Series) -> str:
    """Where the words come from, for the reason: a file's name is not repeated."""
    return "file name" if series.source == "nifti" and not series.description else "SeriesDescription or ProtocolName"


def _words(series: Series) -> frozenset[str]:
    """The words of description and protocol; of a NIfTI file, which has neither, those of its name."""
    text = " ".join((series.description or "", str(series.attributes.get("ProtocolName", ""))))
    if series.source == "nifti" and not series.description and series.files:
        text = series.files[0].name.split(".")[0]
    return frozenset(re.split(r"[^a-z0-9+]+", text.lower())) - {""}


def _told(series: Series, words: AbstractSet[str]) -> str:
    return f"{_text_source(series)} says {' '.join(sorted(words))}"


def _diffusion(words: frozenset[str], series: Series) -> str:
    if series.attributes.get("DiffusionBValue"):
        return f"DiffusionBValue {series.attributes['DiffusionBValue']:g}"
    found = words & {"dwi", "diff", "adc", "trace", "ep2d", "resolve"}
    return _told(series, found) if found else ""


def _dixon_part(words: frozenset[str], series: Series) -> tuple[str, str] | None:
    """Fat, water or phase image: ImageType or FrameType from the third value on, else a word beside a technique's."""
    for keyword in ("ImageType", "FrameType"):
        tokens = [token.upper() for token in series.attributes.get(keyword, ())[2:]]
        found = {part for part, names in _DIXON_TOKENS.items() if any(token in names for token in tokens)}
        if len(found) == 1:
            return found.pop(), f"{keyword} {'/'.join(series.attributes[keyword])}"
    return _dixon_words(words, series)


def _dixon_words(words: frozenset[str], series: Series) -> tuple[str, str] | None:
    """GE writes "FAT: Sag T1 FLEX", Siemens "t1_tse_dixon_sag_F"; a letter alone says nothing without a technique."""
    technique = words & _DIXON_TECHNIQUES or {"only"} & words
    first = (series.description or "").split(":")[0].strip().lower() if ":" in (series.description or "") else ""
    candidates = {first.replace(" ", "").replace("-", "")} if first else words
    found = {part for part, names in _DIXON_WORDS.items() if candidates & names}
    if len(found) != 1 or not (technique or (first and found)):
        return None
    return found.pop(), _told(series, candidates & frozenset().union(*_DIXON_WORDS.values()) | technique)


def _fat_suppression(words: frozenset[str], series: Series) -> str:
    if found := words & _FAT_WORDS:
        return _told(series, found)
    options = {option.upper() for option in series.attributes.get("ScanOptions", ())}
    coded = options & {"FS", "FATSAT", "SPIR", "SPAIR"}
    return f"ScanOptions {'/'.join(sorted(coded))}" if coded else ""


def _contrast(words: frozenset[str], series: Series) -> str:
    """Why it is taken for contrast-enhanced. Technologists often enter the agent for the series before it too."""
    if words & _PLAIN_WORDS:
        return ""
    if (agent := str(series.attributes.get("ContrastBolusAgent", "")).strip()).lower() not in _NO_AGENT:
        return f"ContrastBolusAgent {agent[:40]}"
    found = words & _CONTRAST_WORDS
    return _told(series, found) if found else ""


def _weighting(words: frozenset[str], series: Series) -> tuple[str, str] | None:
    """T1, T2, PD or STIR and why: by name if there is one name, else by the times of a spin echo."""
    if found := words & {"stir", "tirm"}:
        return STIR, _told(series, found)
    named = {kind: {word for word in words if pattern.fullmatch(word)} for kind, pattern in _WEIGHTINGS.items()}
    named = {kind: found for kind, found in named.items() if found}
    if len(named) == 1:
        kind, found_words = next(iter(named.items()))
        return kind, _told(series, frozenset(found_words))
    return None if named else _by_times(series)


def _by_times(series: Series) -> tuple[str, str] | None:
    attributes = series.attributes
    echo, repetition = attributes.get("EchoTime"), attributes.get("RepetitionTime")
    sequence = attributes.get("ScanningSequence", ())
    if echo is None or repetition is None or "SE" not in sequence:
        return None
    inversion = attributes.get("InversionTime", 0)
    why = f"ScanningSequence {'/'.join(sequence)}, RepetitionTime {repetition:g}, EchoTime {echo:g}"
    if "IR" in sequence and inversion:
        why += f", InversionTime {inversion:g}"
        if 80 <= inversion <= 300:
            return STIR, why
        return (T1, why) if 500 <= inversion <= 1200 and echo < 40 else None  # T1 FLAIR
    if echo < 30 and repetition < 1200:
        return T1, why
    if echo >= 60 and repetition >= 1800:
        return T2, why
    return (PD, why) if echo < 45 and repetition >= 1800 else None


def _nothing_plain(words: frozenset[str], series: Series) -> str:
    named = [kind for kind, pattern in _WEIGHTINGS.items() if any(pattern.fullmatch(word) for word in words)]
    if len(named) > 1:
        return f"{_text_source(series)} names {' and '.join(named)}"
    return "no weighting in SeriesDescription or ProtocolName, and no plain spin-echo times"
