from __future__ import annotations

import re

import pytest
from pydicom.sr import _concepts_dict

from osteon.dicom import codes
from osteon.dicom.codes import Concept, kind_codes, site_codes

# Codes known not to be in pydicom's dictionary; adding one means giving its source in the table.
EXCEPTIONS = {("SCT", "65985001")}


def _concepts() -> list[Concept]:
    found = [value for value in vars(codes).values() if isinstance(value, Concept)]
    for table in (codes.VERTEBRAE, codes.BONES, codes.LATERALITY):
        found += table.values()
    for kind in codes.KINDS.values():
        found += [kind.finding, kind.probability] + ([kind.appearance] if kind.appearance else [])
    return sorted(set(found), key=lambda concept: (concept.scheme, concept.value))


def _meanings(scheme: str, value: str) -> set[str]:
    entries = _concepts_dict.concepts.get(scheme, {})
    return {entry[value][0] for entry in entries.values() if value in entry}


def _plain(meaning: str) -> str:
    return re.sub(r" \([a-z ]+\)$", "", meaning).lower().strip()


@pytest.mark.parametrize("concept", _concepts(), ids=lambda concept: f"{concept.scheme}-{concept.value}")
def test_code_and_meaning_are_those_of_pydicoms_dictionary(concept: Concept) -> None:
    assert len(concept.value) <= 16
    assert len(concept.meaning) <= 64
    known = {_plain(meaning) for meaning in _meanings(concept.scheme, concept.value)}
    if concept.scheme == codes.PRIVATE_SCHEME:
        assert concept.source == "osteon"
        assert not known
    elif (concept.scheme, concept.value) in EXCEPTIONS:
        assert not known
        assert concept.source != codes.IN_PYDICOM
    else:
        assert concept.source == codes.IN_PYDICOM
        assert concept.meaning.lower() in known


def test_no_code_stands_for_two_bones() -> None:
    values = [concept.value for concept in (*codes.VERTEBRAE.values(), *codes.BONES.values())]
    assert len(values) == len(set(values)) == 25 + 20


@pytest.mark.parametrize(
    ("site", "bone", "side"),
    [
        ("L3", "36470004", None),
        ("t12", "23215003", None),
        ("L6", "51282000", None),
        ("vertebra", "51282000", None),
        ("left rib", "113197003", "7771000"),
        ("Right Femur", "71341001", "24028007"),
        ("something else", "272673000", None),
        ("", "272673000", None),
        (None, "272673000", None),
    ],
)
def test_sites(site: str | None, bone: str, side: str | None) -> None:
    found, laterality = site_codes(site)
    assert (found.value, laterality.value if laterality else None) == (bone, side)


def test_kinds() -> None:
    assert kind_codes("Lytic lesion").appearance == codes.LYTIC
    assert kind_codes("metastasis").finding == codes.BONY_METASTASIS
    assert kind_codes("never heard of") == kind_codes("lesion")
