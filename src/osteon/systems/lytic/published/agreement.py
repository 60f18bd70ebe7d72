"""Two simulated radiologists on every slice of one test patient, as the study's two real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.errors import CohortError, InputError, LimitError
from osteon.formats.json_file import read_json
from osteon.imaging.canonical import canonical
from osteon.phantom.markings import marked_slices, normal_places
from osteon.phantom.readers import LesionReader, case_truth, read_case
from osteon.systems.lytic.cases import load_case_volume, read_mask

if TYPE_CHECKING:
    from osteon.cohort.manifest import Case, Cohort
    from osteon.systems.lytic.published.config import ReadersPart

NORMAL_PLACES = 200


def two_readers(part: ReadersPart) -> tuple[LesionReader, ...]:
    """The readers of the recipe."""
    return tuple(
        LesionReader(
            name=f"reader {k + 1}",
            half_volume_mm3=part.half_volume_mm3[k],
            steepness=part.steepness,
            mimic_rate=part.mimic_rate[k],
            random_per_case=part.random_per_case[k],
            correlation=part.correlation,
        )
        for k in range(2)
    )


def read_slices(cohort: Cohort, case: Case, part: ReadersPart, *, seed: int) -> dict[str, Any]:
    """Which slices each reader calls positive.

    Args:
        cohort: of the case.
        case: with a lesion table, and masks of bone and lesions.
        part: of the recipe.
        seed: of what the readers see.

    Returns:
        {"case", "slices": how many, "first", "second": indices of positive slices}.

    Raises:
        CohortError: a scan, a mask or the table cannot be read.
    """
    volume = load_case_volume(cohort, case)
    axial = canonical(volume)
    bone, lesions = (
        canonical(
            type(volume)(array=read_mask(cohort, case, kind, volume=volume), grid=volume.grid, modality="CT")
        ).array
        for kind in ("bone", "lesions")
    )
    table = _lesion_table(cohort, case)
    places = normal_places(bone, lesions, axial.grid, count=NORMAL_PLACES, seed=seed)
    marks = read_case(case_truth(case.case, table, normal_mm=places), two_readers(part), seed=seed)
    first, second = (
        np.flatnonzero(marked_slices([mark for mark in marks if mark.reader == reader.name], axial.grid)).tolist()
        for reader in two_readers(part)
    )
    return {"case": case.case, "slices": axial.grid.shape[0], "first": first, "second": second}


def _lesion_table(cohort: Cohort, case: Case) -> dict[str, Any]:
    try:
        return read_json(cohort.truth_path(case, "lesion_table"))  # type: ignore[no-any-return]
    except (InputError, LimitError) as error:
        raise CohortError(f"case {case.case}: {error}") from error


def can_be_read(case: Case) -> bool:
    """Whether readers can be simulated on a case, and there is something to agree on."""
    return {"lesion_table", "bone", "lesions"} <= set(case.truth) and case.labels.get("lesions", 0) != 0
