"""What to make: the options of ``osteon phantom``."""

from __future__ import annotations

from dataclasses import dataclass

from osteon.errors import UsageError

FORMAT = 2
"""Raised whenever the same seed gives other phantoms than before."""
PROFILES = ("small", "full")
CENTRES = "abc"
MODALITIES = {"lytic": "CT", "metastasis": "MR", "tumor": "MR", "differential": "CT", "fracture": "MR"}
"""Modality of each system that has phantoms; ``phantom.cohorts.<system>`` makes them."""
BODY_MM = (-500.0, 800.0)
"""Heights from S1 outside which there is nothing to scan."""
_SHORTEST_MM = 20.0
MOST_LESIONS = 1000
"""Largest mean lesion count: far more than a skeleton has room for, and still drawn in a moment. A guess."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PhantomOptions:
    """What to make; see ``osteon phantom``.

    Attributes:
        system: which system the phantoms are for.
        patients: how many.
        seed: start of everything random.
        profile: "small" or "full".
        range_mm: part of the body (z in mm from S1), or None for the profile's own.
        mean_lesions: mean lesion count over a whole body, of CT patients who have any; 0 for none at all. MR patients
            have as many as the studies counted, or none where this is 0.
        centres: the centres they come from, one letter each: "a", or "ac" for a mixture.

    Raises:
        UsageError: an impossible value.
    """

    system: str = "lytic"
    patients: int = 4
    seed: int = 0
    profile: str = "small"
    range_mm: tuple[float, float] | None = None
    mean_lesions: float = 14.0
    centres: str = "a"

    def __post_init__(self) -> None:
        if self.system not in MODALITIES:
            raise UsageError(f"no phantoms for system {self.system!r} yet; available: {', '.join(MODALITIES)}")
        if self.profile not in PROFILES:
            raise UsageError(f"profile {self.profile!r}: expected one of {list(PROFILES)}")
        if self.patients < 1 or self.seed < 0:
            raise UsageError(f"{self.patients} patients, seed {self.seed}: expected at least 1, and a seed from 0")
        if not 0 <= self.mean_lesions <= MOST_LESIONS:
            raise UsageError(f"mean lesion count {self.mean_lesions}: expected a number from 0 to {MOST_LESIONS}")
        if not self.centres or set(self.centres) - set(CENTRES) or len(set(self.centres)) != len(self.centres):
            raise UsageError(f"centres {self.centres!r}: expected letters of {CENTRES!r}, each once at most")
        if self.range_mm is not None:
            low, high = self.range_mm
            if not (BODY_MM[0] <= low and high <= BODY_MM[1] and high - low >= _SHORTEST_MM):
                raise UsageError(
                    f"range {low:g} to {high:g} mm: expected two heights between {BODY_MM[0]:g} and {BODY_MM[1]:g} mm "
                    f"from S1, the lower one first, at least {_SHORTEST_MM:g} mm apart"
                )


def uid_seed(options: PhantomOptions, name: str) -> str:
    """Where the DICOM UIDs of case ``name`` ("p0007") come from."""
    system = "" if options.system == "lytic" else f"-{options.system}-{options.centres}"
    return f"phantom-{FORMAT}-{options.seed}-{int(name[1:])}{system}"
