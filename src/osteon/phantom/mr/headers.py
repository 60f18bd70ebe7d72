"""How three vendors name the same sequence: descriptions, ImageType, options and sequence names of their headers.

From what their files usually show; no vendor's conformance statement was followed word by word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from osteon.dicom.mr import MrHeader

if TYPE_CHECKING:
    from osteon.phantom.mr.protocol import Protocol
    from osteon.phantom.mr.sequence import Sequence

AGENTS = {"SIEMENS": "Gadovist", "GE MEDICAL SYSTEMS": "DOTAREM", "Philips Medical Systems": "GADOTERATE"}
_PARTS = ("fat", "water", "in", "opposed")
_DIXON: dict[str, tuple[tuple[str, ...], ...]] = {
    "SIEMENS": (("DIXON", "FAT"), ("DIXON", "WATER"), ("DIXON", "IN_PHASE"), ("DIXON", "OPP_PHASE")),
    "GE MEDICAL SYSTEMS": (("FAT",), ("WATER",), ("IN_PHASE",), ("OUT_PHASE",)),
    "Philips Medical Systems": tuple((name, name, "DERIVED") for name in ("F", "W", "IP", "OP")),
}
"""ImageType from its third value on, in the order of ``_PARTS``."""
_LETTER = {"fat": "F", "water": "W", "in": "in", "opposed": "opp"}


def header_of(sequence: Sequence, protocol: Protocol, *, series_number: int) -> MrHeader:
    """The header that the protocol's vendor would write for a sequence."""
    part = sequence.fat.removeprefix("dixon ") if sequence.fat.startswith("dixon") else None
    vendor = protocol.vendor
    inverted = sequence.ti_ms is not None
    return MrHeader(
        series_description=_description(sequence, vendor, part=part),
        protocol_name=_protocol_name(sequence, vendor, part=part),
        manufacturer=vendor,
        model=protocol.model,
        image_type=_image_type(vendor, part=part),
        scanning_sequence=("SE", "IR") if inverted else ("SE",),
        sequence_variant=_variant(sequence, vendor),
        scan_options=_options(sequence, protocol),
        sequence_name=_sequence_name(sequence, vendor),
        repetition_time_ms=round(sequence.tr_ms, 1),
        echo_time_ms=round(sequence.te_ms, 2),
        inversion_time_ms=None if sequence.ti_ms is None else round(sequence.ti_ms),
        echo_train=sequence.echo_train,
        flip_angle_deg=90.0 if vendor != "SIEMENS" else 150.0,
        field_t=sequence.field_t,
        pixel_bandwidth_hz=round(sequence.bandwidth_hz),
        phase_encoding="COL" if sequence.readout == "AP" else "ROW",
        slice_thickness_mm=protocol.thickness_mm,
        contrast_agent=AGENTS[vendor] if sequence.enhanced else None,
        series_number=series_number,
    )


def _description(sequence: Sequence, vendor: str, *, part: str | None) -> str:
    if vendor == "SIEMENS":
        return _siemens(sequence) + (f"_{_LETTER[part]}" if part else "")
    if vendor.startswith("GE"):
        fat = " FS" if sequence.fat == "saturated" else ""
        flex = f" FLEX {part.upper()}" if part else ""
        kind = "STIR" if sequence.weighting == "STIR" else f"{sequence.weighting}{fat}"
        return f"Sag {kind}{flex}{' +C' if sequence.enhanced else ''}"
    return _philips(sequence, part=part)


def _siemens(sequence: Sequence) -> str:
    if sequence.weighting == "STIR":
        return "t2_tirm_sag"
    weighting, echo = sequence.weighting.lower(), "tse" if sequence.echo_train > 1 else "se"
    words = [weighting, echo]
    words += ["dixon"] if sequence.fat.startswith("dixon") else ["fs"] if sequence.fat == "saturated" else []
    return "_".join([*words, "sag", *(["km"] if sequence.enhanced else [])])


def _philips(sequence: Sequence, *, part: str | None) -> str:
    late = " GD" if sequence.enhanced else ""
    if sequence.weighting == "STIR":
        return "STIR_TSE SAG"
    if part:
        return f"{sequence.weighting}W_mDIXON_TSE SAG{late}"
    fat = {"T1": "_SPIR", "T2": "_SPAIR"}[sequence.weighting] if sequence.fat == "saturated" else "_TSE"
    return f"{sequence.weighting}W{fat} SAG{late}"


def _protocol_name(sequence: Sequence, vendor: str, *, part: str | None) -> str:
    """Siemens and Philips name the protocol, which all parts of a Dixon share; GE the whole examination."""
    if vendor == "SIEMENS":
        return _siemens(sequence)
    return "SPINE" if vendor.startswith("GE") else _philips(sequence, part=part)


def _image_type(vendor: str, *, part: str | None) -> tuple[str, ...]:
    if part is not None:
        return (
            "ORIGINAL" if vendor != "GE MEDICAL SYSTEMS" else "DERIVED",
            "PRIMARY",
            *_DIXON[vendor][_PARTS.index(part)],
        )
    if vendor == "SIEMENS":
        return "ORIGINAL", "PRIMARY", "M", "ND"
    return ("ORIGINAL", "PRIMARY", "OTHER") if vendor.startswith("GE") else ("ORIGINAL", "PRIMARY", "M_SE", "M", "SE")


def _variant(sequence: Sequence, vendor: str) -> tuple[str, ...]:
    if vendor == "SIEMENS":
        return ("SK", "SP", "OSP") if sequence.echo_train > 1 else ("SP", "OSP")
    return ("SK",) if sequence.echo_train > 1 else ("NONE",)


def _options(sequence: Sequence, protocol: Protocol) -> tuple[str, ...]:
    fat = ("FS",) if sequence.fat == "saturated" else ()
    band = protocol.saturation_band
    if protocol.vendor == "SIEMENS":
        return (*(("IR",) if sequence.ti_ms else ()), *(("SAT1",) if band else ()), *fat)
    if protocol.vendor.startswith("GE"):
        return ("FAST_GEMS", "EDR_GEMS", *(("SP",) if band else ()), *fat)
    return fat or ("OTHER",)


def _sequence_name(sequence: Sequence, vendor: str) -> str | None:
    """Only Siemens writes it."""
    if vendor != "SIEMENS":
        return None
    if sequence.echo_train == 1:
        return "*se2d1"
    return f"*{'tir' if sequence.ti_ms else 'tse'}2d1_{sequence.echo_train}"
