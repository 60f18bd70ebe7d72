"""What to make: the options of ``osteon phantom``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

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
_ROUNDING = 1e-9
_LATER: dict[str, Any] = {"healthy": None, "diffuse": 0.0}
"""Options that folders made before them do not name, and what they are there."""
MOST_LESIONS = 1000
"""Largest mean lesion count: far more than a skeleton has room for, and still drawn in a moment. A guess."""
MOST_HEALTHY = 0.9
WITHOUT_HEALTHY = ("fracture",)
"""Systems whose every patient is drawn round a changed vertebra."""
WITH_INFILTRATION = ("lytic",)
LYTIC_HEALTHY = 0.25
"""Share of healthy patients of ``lytic`` where none is asked for: one of the study's four test patients."""


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
        healthy: share of patients without the disease, 0 to 0.9; None for the system's own.
        diffuse: share of ``lytic``'s patients whose marrow is infiltrated diffusely, with focal lesions or without, or
            salt-and-pepper.

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
    healthy: float | None = None
    diffuse: float = 0.0

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
        self._check_range()
        self._check_shares()

    def _check_range(self) -> None:
        if self.range_mm is None:
            return
        low, high = self.range_mm
        if not (BODY_MM[0] <= low and high <= BODY_MM[1] and high - low >= _SHORTEST_MM):
            raise UsageError(
                f"range {low:g} to {high:g} mm: expected two heights between {BODY_MM[0]:g} and {BODY_MM[1]:g} mm "
                f"from S1, the lower one first, at least {_SHORTEST_MM:g} mm apart"
            )

    def _check_shares(self) -> None:
        if self.healthy is not None and not 0 <= self.healthy <= MOST_HEALTHY:
            raise UsageError(f"share of healthy patients {self.healthy}: expected a number from 0 to {MOST_HEALTHY}")
        if self.healthy is not None and self.system in WITHOUT_HEALTHY:
            raise UsageError(
                f"healthy patients of system {self.system!r}: there are none, since each is scanned round a changed "
                "vertebra; leave --healthy out"
            )
        if not 0 <= self.diffuse <= 1:
            raise UsageError(f"share of infiltrated patients {self.diffuse}: expected a number from 0 to 1")
        if self.diffuse and self.system not in WITH_INFILTRATION:
            raise UsageError(
                f"infiltrated patients of system {self.system!r}: only {', '.join(WITH_INFILTRATION)} has them; leave "
                "--diffuse out"
            )
        healthy = LYTIC_HEALTHY if self.healthy is None else self.healthy
        if self.diffuse and healthy + self.diffuse > 1 + _ROUNDING:
            raise UsageError(
                f"{healthy:g} of the patients healthy and {self.diffuse:g} infiltrated: expected shares of 1 at most "
                "together; give --healthy too"
            )

    def document(self) -> dict[str, Any]:
        """Everything as plain data; options that came later stand in it only where they are used."""
        values = asdict(self)
        return {key: value for key, value in values.items() if key not in _LATER or value != _LATER[key]}


def uid_seed(options: PhantomOptions, name: str) -> str:
    """Where the DICOM UIDs of case ``name`` ("p0007") come from."""
    system = "" if options.system == "lytic" else f"-{options.system}-{options.centres}"
    healthy = "" if options.healthy is None else f"-healthy-{options.healthy:g}"
    diffuse = f"-diffuse-{options.diffuse:g}" if options.diffuse else ""
    return f"phantom-{FORMAT}-{options.seed}-{int(name[1:])}{system}{healthy}{diffuse}"
