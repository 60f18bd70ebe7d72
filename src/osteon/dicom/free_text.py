"""Free text of a header without the patient: names, IDs and dates get typed into descriptions."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORD = re.compile(r"[^\W_]+")
_DATE = re.compile(
    r"(?<!\d)(?:\d{1,2}([./-])\d{1,2}\1(?:19|20)\d\d|(?:19|20)\d\d([./-])\d{1,2}\2\d{1,2}|\d{1,2}\.\d{1,2}\.\d\d|\d{6,})(?!\d)"
)
_GAP = re.compile(r"[\s_,;:^/-]*\0[\s_,;:^/\0-]*")
_LAST_WORD = re.compile(r"[^\W_]+\Z")
_EMPTY_BRACKETS = re.compile(r"\(\s*\)|\[\s*\]|<\s*>")
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})
_SHORTEST = 2
"""Letters of a part of a name that is looked for: initials are not."""
_SHORTEST_INSIDE = 4
"""Letters of one that is looked for inside longer words too; a guess."""
_LONGEST, _LONGEST_NAME = 256, 4096
"""Characters of a text, and of a name or ID, that are looked at; descriptions of DICOM have 64. More takes minutes."""
_IDEOGRAPHS = "\u2e80"
"""From here on Unicode has scripts that write names without spaces."""
_STANDARD = frozenset({
    "ct", "mr", "t1", "t2", "pd", "dixon", "stir", "flair", "tirm", "spair", "tse", "fse", "spin", "echo", "fat",
    "water", "opp", "in", "out", "phase", "sag", "sagittal", "ax", "axial", "tra", "cor", "coronal", "bone", "soft",
    "tissue", "lung", "head", "neck", "chest", "abdomen", "pelvis", "spine", "cervical", "thoracic", "lumbar",
    "sacral", "whole", "body", "contrast", "native", "localizer", "scout", "fs", "fatsat", "fatsup", "fsat", "spir",
    "proset", "wfs", "gd", "ce", "km", "gad", "gado", "pre", "post", "nativ", "without", "ohne", "wo", "mdixon", "flex",
    "ideal", "only", "fatonly", "wateronly", "fo", "op", "ip", "inphase", "opposed", "dwi", "diff", "adc", "trace",
    "resolve", "t1w", "t2w", "pdw"})  # fmt: skip
"""Words that tell nothing of a patient who happens to be called so; those that ``roles`` goes by are among them."""


def without_identity(text: str, *, identity: Iterable[str]) -> str | None:
    """A line of free text without words of the patient's names and IDs, dates and long numbers.

    Args:
        text: as received; what follows its first 256 characters is left out.
        identity: names and IDs of the patient, as the same header has them.

    Returns:
        What is left, on one line; None if nothing is.
    """
    if len(text) > _LONGEST:
        text = _LAST_WORD.sub("", text[:_LONGEST])  # half a name would not be known for one
    values = [" ".join(value[:_LONGEST_NAME].split()) for value in identity]
    parts = {form for value in values for word in _WORD.findall(value) for form in _forms(word)}
    parts = {part for part in parts if len(part) >= _SHORTEST and not (part.isdigit() and len(part) <= _SHORTEST)}
    for value in sorted(values, key=len, reverse=True):
        if len(value) > _SHORTEST and value.casefold() not in _STANDARD:
            text = re.sub(rf"(?<![^\W_]){re.escape(value)}(?![^\W_])", "\0", text, flags=re.IGNORECASE)
    text = _DATE.sub("\0", text)
    text = _WORD.sub(lambda found: "\0" if _names(found.group(), parts) else found.group(), text)
    return " ".join(_EMPTY_BRACKETS.sub(" ", _GAP.sub(" ", text)).split()) or None


def _names(word: str, parts: set[str]) -> bool:
    forms = _forms(word)
    if forms & _STANDARD:
        return False
    return bool(forms & parts) or any(
        (len(part) >= _SHORTEST_INSIDE or part[0] >= _IDEOGRAPHS) and part in form for part in parts for form in forms
    )


def _forms(word: str) -> set[str]:
    """A word as it may be typed: without accents, or with umlauts written out."""
    small = word.casefold()
    return {_plain(small), _plain(small.translate(_UMLAUTS))}


def _plain(word: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))
