"""The five published studies: their printed figures beside what their own counts give.

What does not follow comes out of the arithmetic; no slip is written down anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from osteon.evaluation.published import differential, fracture, lytic, metastasis, tumor
from osteon.evaluation.published.claims import Claim
from osteon.evaluation.published.facts import NAMES, load_facts

if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

__all__ = ["NAMES", "Claim", "load_facts", "study_claims"]

_STUDIES: dict[str, ModuleType] = {
    "lytic": lytic,
    "tumor": tumor,
    "metastasis": metastasis,
    "differential": differential,
    "fracture": fracture,
}


def study_claims(study: str, facts: dict[str, Any] | None = None) -> tuple[Claim, ...]:
    """Every printed figure of a study that can be recomputed, with whether it follows.

    Args:
        study: one of ``NAMES``.
        facts: other counts in the same form; None: those of the package.

    Raises:
        UsageError: an unknown study.
    """
    known = load_facts(study)
    return tuple(_STUDIES[study].claims(known if facts is None else facts))
