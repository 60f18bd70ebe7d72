"""The coded concepts that osteon writes: one table.

Every code with scheme SCT, DCM, UCUM or IBSI is in pydicom's code dictionary (generated from DICOM PS3.16) unless its
``source`` says where it is from; a test compares the two. Codes of our own use the private scheme ``99OSTEON`` (DICOM
PS3.3 8.2), since no verified SNOMED CT or RadLex code was found for them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

IN_PYDICOM = "pydicom"
PRIVATE_SCHEME = "99OSTEON"
PRIVATE_SCHEME_NAME = "osteon private codes"


@dataclass(frozen=True, kw_only=True, slots=True)
class Concept:
    """One coded concept; ``source`` says where the code was verified."""

    value: str
    scheme: str
    meaning: str
    source: str = IN_PYDICOM


def _sct(value: str, meaning: str, source: str = IN_PYDICOM) -> Concept:
    return Concept(value=value, scheme="SCT", meaning=meaning, source=source)


def _dcm(value: str, meaning: str) -> Concept:
    return Concept(value=value, scheme="DCM", meaning=meaning)


def _private(value: str, meaning: str) -> Concept:
    return Concept(value=value, scheme=PRIVATE_SCHEME, meaning=meaning, source="osteon")


_SNOMED_ONLY = "SNOMED CT, fully specified name; in no value set of PS3.16 that pydicom holds"

_CERVICAL = ("14806007", "39976000", "113205007", "5329002", "36978003", "36054005", "87391001")
_THORACIC = (
    *("64864005", "53733008", "1626008", "73071006", "56401006", "45296009"),
    *("62487009", "11068009", "82687006", "7610001", "12989004", "23215003"),
)
_LUMBAR = ("66794005", "14293000", "36470004", "11994002", "49668003")
_NAMED_VERTEBRAE = {"C1": "atlas", "C2": "axis"}

VERTEBRAE: dict[str, Concept] = {
    name: _sct(code, f"Bone structure of {_NAMED_VERTEBRAE.get(name, name)}")
    for letter, codes in (("C", _CERVICAL), ("T", _THORACIC), ("L", _LUMBAR))
    for name, code in ((f"{letter}{number}", code) for number, code in enumerate(codes, start=1))
} | {"S1": _sct("65985001", "Structure of first sacral vertebra", _SNOMED_ONLY)}
"""Vertebra name -> code. L6 and T13 have none and are coded as "vertebra"."""

BONE = _sct("272673000", "Bone")
BONES: dict[str, Concept] = {
    "bone": BONE,
    "vertebra": _sct("51282000", "Vertebra"),
    "rib": _sct("113197003", "Rib"),
    "sternum": _sct("56873002", "Sternum"),
    "pelvis": _sct("118645006", "Pelvis"),
    "ilium": _sct("22356005", "Bone structure of ilium"),
    "ischium": _sct("85710004", "Bone structure of ischium"),
    "acetabulum": _sct("37783008", "Acetabulum"),
    "sacrum": _sct("54735007", "Bone structure of sacrum"),
    "coccyx": _sct("64688005", "Bone structure of coccyx"),
    "femur": _sct("71341001", "Femur"),
    "humerus": _sct("85050009", "Bone structure of humerus"),
    "scapula": _sct("79601000", "Bone structure of scapula"),
    "clavicle": _sct("51299004", "Bone structure of clavicle"),
    "skull": _sct("89546000", "Skull"),
    "mandible": _sct("91609006", "Bone structure of mandible"),
    "radius": _sct("62413002", "Radius"),
    "ulna": _sct("23416004", "Bone structure of ulna"),
    "tibia": _sct("12611008", "Bone structure of tibia"),
    "fibula": _sct("87342007", "Bone structure of fibula"),
}
LATERALITY: dict[str, Concept] = {"left": _sct("7771000", "Left"), "right": _sct("24028007", "Right")}

MORPHOLOGIC_ABNORMALITY = _sct("49755003", "Morphologically Abnormal Structure")
ANATOMICAL_STRUCTURE = _sct("91723000", "Anatomical Structure")
LESION = _sct("52988006", "Lesion")
BONY_METASTASIS = _sct("94222008", "Bony metastasis")
NEOPLASM_SECONDARY = _sct("14799000", "Neoplasm, metastatic")
MULTIPLE_MYELOMA = _sct("1162576007", "Multiple myeloma")
PLASMACYTOMA = _sct("1187107005", "Plasmacytoma")

VOLUME = _sct("118565006", "Volume")
VOXEL_SUMMING = _dcm("126030", "Sum of segmented voxel method for volume")
LONG_AXIS = _sct("103339001", "Long axis")
SHORT_AXIS = _sct("103340004", "Short axis")
ATTENUATION = _dcm("112031", "Attenuation Coefficient")
MR_SIGNAL = _dcm("110852", "MR signal intensity")
MEAN = _sct("373098007", "Mean")
CERTAINTY_OF_FINDING = _dcm("111012", "Certainty of Finding")
PROBABILITY_OF_CANCER = _dcm("111047", "Probability of cancer")
NUMBER_OF_LESIONS = _sct("246206008", "Number of lesions")

PRESENT = _sct("52101004", "Present")
ABSENT = _sct("272519000", "Absent")
IMAGING_PROCEDURE = _sct("363679005", "Imaging procedure")
ARTIFICIAL_INTELLIGENCE = _dcm("123110", "Artificial Intelligence")
PROCESSING_EQUIPMENT = _dcm("109102", "Processing Equipment")

MILLIMETRE = Concept(value="mm", scheme="UCUM", meaning="mm")
CUBIC_CENTIMETRE = Concept(value="cm3", scheme="UCUM", meaning="cubic centimeter")
HOUNSFIELD = Concept(value="[hnsf'U]", scheme="UCUM", meaning="Hounsfield unit")
PERCENT = Concept(value="%", scheme="UCUM", meaning="Percent")
NO_UNITS = Concept(value="1", scheme="UCUM", meaning="no units")

APPEARANCE = _private("appearance", "Appearance of bone lesion")
LYTIC = _private("lytic", "Lytic bone lesion")
FRACTURE = _private("fracture", "Vertebral fracture")
BENIGN_FRACTURE = _private("benign-fracture", "Benign vertebral fracture")
MALIGNANT_FRACTURE = _private("malign-fracture", "Malignant vertebral fracture")
BENIGN_TUMOUR = _private("benign-tumour", "Benign spinal tumour")
MALIGNANT_TUMOUR = _private("malignant-tumour", "Malignant spinal tumour")


@dataclass(frozen=True, kw_only=True, slots=True)
class KindCodes:
    """How one kind of finding is coded.

    Attributes:
        finding: the Finding of a measurement group and the property type of a segment.
        appearance: value of a qualitative evaluation ``APPEARANCE`` where the finding's code says too little.
        probability: the measurement under which the score is written.
    """

    finding: Concept
    appearance: Concept | None = None
    probability: Concept = CERTAINTY_OF_FINDING


KINDS: dict[str, KindCodes] = {
    "lesion": KindCodes(finding=LESION),
    "lytic lesion": KindCodes(finding=LESION, appearance=LYTIC),
    "metastasis": KindCodes(finding=BONY_METASTASIS),
    "malignant lesion": KindCodes(finding=LESION, probability=PROBABILITY_OF_CANCER),
    "multiple myeloma": KindCodes(finding=MULTIPLE_MYELOMA),
    "plasmacytoma": KindCodes(finding=PLASMACYTOMA),
    "vertebral fracture": KindCodes(finding=LESION, appearance=FRACTURE, probability=PROBABILITY_OF_CANCER),
}


def kind_codes(kind: str) -> KindCodes:
    """Codes of a kind of finding; one that the table does not know is a lesion."""
    return KINDS.get(kind.strip().lower(), KINDS["lesion"])


PROBABILITY_MYELOMA = _private("prob-myeloma", "Probability of multiple myeloma against osteolytic metastasis")
SLICES_READ = _private("slices-read", "Number of slices read")
SHARE_OF_SLICES_MYELOMA = _private("slices-myeloma", "Share of slices that look like multiple myeloma")
MORE_PROBABLE = _private("more-probable", "More probable diagnosis")


@dataclass(frozen=True, kw_only=True, slots=True)
class VerdictCodes:
    """How one verdict on the whole examination is coded.

    Attributes:
        name: what is said.
        unit: of a number; None for one of ``values``.
        scale: what the number is multiplied by to be in ``unit``.
        values: the verdict's text -> its code.
    """

    name: Concept
    unit: Concept | None = None
    scale: float = 1.0
    values: dict[str, Concept] = field(default_factory=dict)


VERDICTS: dict[str, VerdictCodes] = {
    "diagnosis": VerdictCodes(
        name=MORE_PROBABLE,
        values={
            "myeloma": MULTIPLE_MYELOMA,
            "metastasis": BONY_METASTASIS,
            "benign fracture": BENIGN_FRACTURE,
            "malignant fracture": MALIGNANT_FRACTURE,
            "benign tumour": BENIGN_TUMOUR,
            "malignant tumour": MALIGNANT_TUMOUR,
        },
    ),
    "probability_malignant": VerdictCodes(name=PROBABILITY_OF_CANCER, unit=PERCENT, scale=100.0),
    "probability_myeloma": VerdictCodes(name=PROBABILITY_MYELOMA, unit=PERCENT, scale=100.0),
    "share_of_slices_for_myeloma": VerdictCodes(name=SHARE_OF_SLICES_MYELOMA, unit=PERCENT, scale=100.0),
    "slices_read": VerdictCodes(name=SLICES_READ, unit=NO_UNITS),
}
"""Key of ``Reading.verdicts`` -> codes; a verdict that is not here, or is None, is not in the SR."""


def site_codes(site: str | None) -> tuple[Concept, Concept | None]:
    """Bone and side of a site such as "rib", "L3", "left ilium"; an unknown site is coded "Bone"."""
    words = (site or "").strip().split()
    side = LATERALITY.get(words[0].lower()) if words else None
    name = " ".join(words[1:] if side else words)
    if name.upper() in VERTEBRAE:
        return VERTEBRAE[name.upper()], side
    if name.upper() in ("L6", "T13"):
        return BONES["vertebra"], side
    return BONES.get(name.lower(), BONE), side
