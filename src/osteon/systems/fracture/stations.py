"""Which T2 and T1 of a study are read together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from osteon.errors import InputError
from osteon.systems.fracture.config import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from osteon.dicom.sequences import Station
    from osteon.records import Series


def pick_stations(
    series: Sequence[Series], *, roles: Mapping[str, str] | None = None, series_uid: str = ""
) -> tuple[tuple[Station, ...], tuple[str, ...]]:
    """Stations that have both T2 and T1, and notes on what was left out.

    Args:
        series: of one study.
        roles: SeriesInstanceUID -> "T1", "T2" or "none", instead of what the headers say.
        series_uid: only the station that holds this series.

    Raises:
        InputError: none has both; two series of one kind lie in one place.
    """
    from osteon.dicom.sequences import choose_sequences

    found = choose_sequences(series, kinds=KINDS, roles=roles, series_uid=series_uid)
    both = tuple(one for one in found.stations if {"T1", "T2"} <= set(one.series))
    if not both:
        has = " and ".join(sorted({name for one in found.stations for name in one.series}))
        raise InputError(
            f"sagittal T1 and T2 of one place are needed, without fat suppression; found {has} only. Say with --role "
            "which series is what where the headers do not"
        )
    return both, found.notes
