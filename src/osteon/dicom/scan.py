"""What is in an input: studies, series, their geometry and their faults, from the headers alone."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from osteon.dicom.assemble import series_of
from osteon.dicom.header import read_instance
from osteon.dicom.limits import Limits
from osteon.dicom.source import Source, open_source
from osteon.dicom.walk import NotDicomError
from osteon.errors import InputError, OsteonError, UsageError
from osteon.records import Patient, Series, Study

if TYPE_CHECKING:
    from collections.abc import Iterable

    from osteon.dicom.header import Instance

NIFTI_SUFFIXES = (".nii", ".nii.gz")
_DICOMDIR_CLASS = "1.2.840.10008.1.3.10"
_DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
_DAYS_PER_YEAR = 365.25
_AGE_UNITS = {"D": 1 / _DAYS_PER_YEAR, "W": 7 / _DAYS_PER_YEAR, "M": 1 / 12, "Y": 1.0}


@dataclass(frozen=True, kw_only=True, slots=True)
class ScanResult:
    """What an input holds.

    Attributes:
        studies: in order of their UIDs; series in order of SeriesNumber.
        failures: file, relative to the input, -> why it could not be read.
        ignored: number of files that are neither DICOM nor NIfTI.
    """

    studies: tuple[Study, ...]
    failures: dict[str, str] = field(default_factory=dict)
    ignored: int = 0

    @property
    def series(self) -> tuple[Series, ...]:
        """The series of all studies."""
        return tuple(series for study in self.studies for series in study.series)


def scan(
    path: Path | str | Source, *, limits: Limits | None = None, jobs: int | None = None, modality: str | None = None
) -> ScanResult:
    """Read the headers of everything in an input and sort it into studies, series and stacks.

    Pixels are not decoded. A file that cannot be read costs that file, not the run.

    Args:
        path: folder, DICOMDIR or single file, or what ``open_source`` gave (for ZIP archives, it must be that).
        limits: what the input may ask for.
        jobs: threads that read headers; more than one pays on slow network folders only.
        modality: Modality of NIfTI files, which do not state it; otherwise guessed from BIDS file names.

    Raises:
        InputError: there is no such path.
        UsageError: a ZIP archive was given by its path.
        LimitError: too many files.
    """
    limits = limits or Limits()
    if not isinstance(path, Source):
        path = Path(path)
        with open_source(path, limits) as source:
            if source.root != path and source.root != path.parent:
                raise UsageError(f"{path.name}: a ZIP archive must be opened with open_source, then scanned inside it")
            return scan(source, limits=limits, jobs=jobs, modality=modality)
    instances, failures, ignored = _read_all(path, limits=limits, jobs=jobs or 1)
    studies = _studies(instances, path, failures=failures, limits=limits)
    studies += _nifti_studies(path, failures=failures, limits=limits, modality=modality)
    return ScanResult(
        studies=tuple(sorted(studies, key=lambda study: study.uid)),
        failures={**path.failures, **failures},
        ignored=ignored,
    )


def _is_nifti(path: Path) -> bool:
    return path.name.lower().endswith(NIFTI_SUFFIXES)


def _read_all(source: Source, *, limits: Limits, jobs: int) -> tuple[list[Instance], dict[str, str], int]:
    files = [file for file in source.files if not _is_nifti(file)]

    def attempt(file: Path) -> Instance | OsteonError:
        try:
            return read_instance(file, limits=limits)
        except OsteonError as error:
            return error
        except OSError as error:
            return InputError(f"cannot be read ({error.strerror}); check permissions")

    if jobs > 1:
        with ThreadPoolExecutor(max_workers=jobs) as pool:
            found = list(pool.map(attempt, files))
    else:
        found = [attempt(file) for file in files]
    instances: list[Instance] = []
    failures: dict[str, str] = {}
    ignored = 0
    for file, result in zip(files, found, strict=True):
        if isinstance(result, NotDicomError) and not source.name_of(file).lower().endswith(_DICOM_SUFFIXES):
            ignored += 1
        elif isinstance(result, OsteonError):
            failures[source.name_of(file)] = str(result)
        elif result.text("SOPClassUID") == _DICOMDIR_CLASS or file.name.upper() == "DICOMDIR":
            ignored += 1
        else:
            instances.append(result)
    return instances, failures, ignored


def _studies(instances: list[Instance], source: Source, *, failures: dict[str, str], limits: Limits) -> list[Study]:
    by_study: dict[str, dict[str, list[Instance]]] = {}
    for instance in instances:
        uids = {
            keyword: instance.text(keyword)
            for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
        }
        missing = [keyword for keyword, uid in uids.items() if uid is None]
        if missing:
            failures[source.name_of(instance.path)] = (
                f"{', '.join(missing)} missing: the object cannot be identified; send it again"
            )
            continue
        by_study.setdefault(uids["StudyInstanceUID"] or "", {}).setdefault(uids["SeriesInstanceUID"] or "", []).append(
            instance
        )
    studies = []
    for study_uid, by_series in by_study.items():
        series: list[tuple[float, Series]] = []
        for members in by_series.values():
            made, failed = series_of(members, limits=limits)
            failures.update((source.name_of(path), why) for path, why in failed.items())
            number = _series_number(members[0])
            series += [(number, one) for one in made]
        if series:
            ordered = tuple(one for _, one in sorted(series, key=lambda pair: (pair[0], pair[1].uid)))
            first = next(iter(by_series.values()))[0]
            studies.append(Study(uid=study_uid, patient=_patient(first), series=ordered))
    return studies


def _series_number(instance: Instance) -> float:
    try:
        number = instance.number("SeriesNumber")
    except InputError:
        number = None
    return float("inf") if number is None else number


def _patient(instance: Instance) -> Patient:
    sex = instance.text("PatientSex")
    return Patient(age_years=_age_years(instance), sex=sex if sex in ("F", "M", "O") else None)


def _age_years(instance: Instance) -> float | None:
    """PatientAge, else from birth date to study date; the dates themselves go no further."""
    age = instance.text("PatientAge")
    if age and age[:-1].isdigit() and age[-1] in _AGE_UNITS:
        return round(int(age[:-1]) * _AGE_UNITS[age[-1]], 2)
    from datetime import datetime

    try:
        born, seen = (datetime.strptime(instance.text(k) or "", "%Y%m%d") for k in ("PatientBirthDate", "StudyDate"))
    except ValueError:
        return None
    years = (seen - born).days / _DAYS_PER_YEAR
    return round(years, 1) if 0 <= years < 130 else None


def _nifti_studies(source: Source, *, failures: dict[str, str], limits: Limits, modality: str | None) -> list[Study]:
    """One study for each folder that holds NIfTI files, with UIDs made from their content."""
    by_folder: dict[Path, list[Series]] = {}
    for file in (file for file in source.files if _is_nifti(file)):
        from osteon.formats.nifti import nifti_series

        try:
            series = nifti_series(file, modality=modality, name=source.name_of(file), max_bytes=limits.max_volume_bytes)
        except OsteonError as error:
            failures[source.name_of(file)] = str(error)
        else:
            by_folder.setdefault(file.parent, []).append(series)
    return [_nifti_study(members) for members in by_folder.values()]


def _nifti_study(members: Iterable[Series]) -> Study:
    from dataclasses import replace

    members = list(members)
    digest = hashlib.sha256("".join(sorted(one.uid for one in members)).encode()).digest()
    uid = f"2.25.{int.from_bytes(digest[:16], 'big')}"
    return Study(uid=uid, patient=Patient(), series=tuple(replace(one, study_uid=uid) for one in members))
