"""Who made an object and how: what a SEG and an SR say about osteon and its model in the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from osteon.dicom import codes
from osteon.dicom.uids import make_uid

if TYPE_CHECKING:
    from datetime import datetime

    from osteon.dicom.codes import Concept
    from osteon.records import Finding, Reading

MANUFACTURER = "osteon"
_LO = 64  # longest value of DICOM's VR LO


def coded(concept: Concept) -> Any:
    """A concept as highdicom's ``CodedConcept``."""
    from highdicom.sr import CodedConcept

    return CodedConcept(concept.value, concept.scheme, concept.meaning)


def tracking_identifier(finding: Finding) -> str:
    """Human-readable name of a finding, the same in SEG and SR."""
    return f"{finding.kind.capitalize()} {finding.number}"


def algorithm_version(reading: Reading) -> str:
    """Version of software and weights together; another model is another version."""
    provenance = reading.provenance
    return f"{provenance.software_version}+{provenance.model_hash[:16]}"[:_LO]


def algorithm_parameters(reading: Reading) -> dict[str, str]:
    """The operating point as names and values, numbers and words only."""
    return {
        str(name): f"{value:g}" if isinstance(value, float) else str(value)
        for name, value in reading.operating_point.items()
        if isinstance(value, (str, int, float))
    }


def device_uid(reading: Reading) -> str:
    """UID of "this software with this model" as a device; it changes when either does."""
    provenance = reading.provenance
    return make_uid("device", provenance.software_version, provenance.model_name, provenance.model_hash)


def equipment(reading: Reading, moment: datetime) -> Any:
    """Item of Contributing Equipment Sequence (0018,A001) for the model, as IHE AI Results asks for."""
    from highdicom import ContributingEquipment

    provenance = reading.provenance
    item = ContributingEquipment(
        MANUFACTURER,
        coded(codes.PROCESSING_EQUIPMENT),
        manufacturer_model_name=provenance.model_name[:_LO],
        software_versions=algorithm_version(reading),
        device_serial_number=provenance.model_hash[:_LO],
        contribution_datetime=moment,
        contribution_description=f"osteon {reading.system}: research software, not a medical device",
    )
    item.DeviceUID = device_uid(reading)
    return item


def instance_attributes(reading: Reading, moment: datetime, *, description: str) -> dict[str, Any]:
    """Keyword arguments that highdicom's SEG and SR classes share."""
    return {
        "instance_number": 1,
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": f"osteon {reading.system}"[:_LO],
        "software_versions": reading.provenance.software_version[:_LO],
        "device_serial_number": reading.provenance.model_hash[:_LO],
        "series_description": description[:_LO],
        "content_date": moment.date(),
        "content_time": moment.time(),
        "series_date": moment.date(),
        "series_time": moment.time(),
        "specific_character_set": "ISO_IR 192",
        "contributing_equipment": [equipment(reading, moment)],
    }


def stamp(instance: Any, moment: datetime) -> None:
    """Replace what highdicom takes from the clock and from chance, so that the same input gives the same bytes."""
    instance.InstanceCreationDate = moment.strftime("%Y%m%d")
    instance.InstanceCreationTime = moment.strftime("%H%M%S")
    instance.ContributingEquipmentSequence[-1].ContributionDateTime = moment  # highdicom's own entry
    organization_uid = make_uid(str(instance.SOPInstanceUID), "dimension organization")
    for keyword in ("DimensionOrganizationSequence", "DimensionIndexSequence"):
        for item in instance.get(keyword, []):
            item.DimensionOrganizationUID = organization_uid


def coding_schemes() -> list[Any]:
    """Identification of the private coding scheme (Coding Scheme Identification Sequence)."""
    from highdicom.coding_schemes import CodingSchemeIdentificationItem

    return [CodingSchemeIdentificationItem(codes.PRIVATE_SCHEME, codes.PRIVATE_SCHEME_NAME)]
