"""Five simulated radiologists on the external test set, with the figures of the study's five real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.phantom.markings import normal_places
from osteon.phantom.readers import CaseTruth, metastasis_readers, read_case

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from osteon.systems.metastasis.cases import StationCase
    from osteon.systems.metastasis.sections import Mimic

NORMAL_PLACES = 100
INNER = 0.25
"""Marks on nothing lie in the middle half of the image, where the spine is."""


def read_as_radiologists(
    stations: Sequence[StationCase], mimics: Mapping[str, tuple[Mimic, ...]], *, seed: int
) -> list[dict[str, Any]]:
    """What each reader finds and mistakes, one case a series.

    Returns:
        One a reader: name, lesions found, lesions, false positives, series.
    """
    cases = [_truth(one, mimics.get(one.case, ()), seed=seed) for one in stations]
    if not any(len(case.number) for case in cases):
        return []
    readers = metastasis_readers(cases)
    figures: dict[str, dict[str, Any]] = {
        reader.name: {"name": reader.name, "found": 0, "lesions": 0, "false_positives": 0, "series": 0}
        for reader in readers
    }
    for case in cases:
        marks = read_case(case, readers, seed=seed)
        for reader in readers:
            own = [mark for mark in marks if mark.reader == reader.name]
            figures[reader.name]["found"] += sum(mark.on == "lesion" for mark in own)
            figures[reader.name]["false_positives"] += sum(mark.on != "lesion" for mark in own)
            figures[reader.name]["lesions"] += len(case.number)
            figures[reader.name]["series"] += 1
    return list(figures.values())


def _truth(station: StationCase, mimics: Sequence[Mimic], *, seed: int) -> CaseTruth:
    """What this series shows: lesions as outlined, mimics whose centre lies in the field of view."""
    lesions, grid = np.asarray(station.lesions), station.grid
    volumes = np.asarray(station.volumes_cm3, dtype=np.float64) * 1000
    places = np.argwhere(lesions > 0)
    number = lesions[tuple(places.T)].astype(int) - 1
    count = len(station.numbers)
    sizes = np.maximum(np.bincount(number, minlength=count), 1)
    middles = [np.bincount(number, weights=places[:, axis], minlength=count) / sizes for axis in (2, 1, 0)]
    shown = [mimic for mimic in mimics if grid.contains(mimic.centre_mm)]
    inner = np.zeros(lesions.shape, bool)
    window = tuple(slice(int(INNER * n), max(int((1 - INNER) * n), int(INNER * n) + 1)) for n in lesions.shape)
    inner[window] = True
    return CaseTruth(
        case=f"{station.case} {station.index}",
        number=np.arange(1, count + 1),
        volume_mm3=volumes,
        diameter_mm=np.asarray(2 * (3 * volumes / (4 * np.pi)) ** (1 / 3)),
        centre_mm=grid.to_mm(np.stack(middles, axis=1)) if count else np.zeros((0, 3)),
        mimic_kind=tuple(mimic.kind for mimic in shown),
        mimic_diameter_mm=np.array([mimic.diameter_mm for mimic in shown], dtype=np.float64),
        mimic_centre_mm=np.array([mimic.centre_mm for mimic in shown], dtype=np.float64).reshape(-1, 3),
        normal_mm=normal_places(inner, lesions, grid, count=NORMAL_PLACES, seed=seed),
    )
