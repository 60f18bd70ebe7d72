"""Which series of an MR study are read together: sequences by role, in stations of one place, or why that cannot be.

A whole spine is acquired in two or three overlapping *stations*, each its own set of series. Series of one station
share a FrameOfReferenceUID and lie over each other; the station's first sequence is its reference, on whose grid masks
lie.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from osteon.dicom.roles import role_with_reason, weighting
from osteon.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from osteon.geometry import Grid
    from osteon.records import Series

FEWEST_SLICES = 3
SAME_PLACE = 0.5
"""Two series lie in one place if half of one is within the other; neighbouring stations overlap by less (a guess)."""
ISOTROPIC = 1.5
"""A volume whose voxel sides differ by no more than this factor can be cut to sagittal slices however it is stored."""
LEFT_OUT = "none"
"""Instead of a sequence's name: the series is not to be read."""
_STITCHED = frozenset({"COMPOSED", "COMPOSING", "COMP_SP", "COMP_AN", "COMP_DIF", "PASTED", "MPR", "MPR_THICK"})
"""Values of ImageType that mark images made from others, such as a whole spine composed from its stations."""
_SAME_IN_ALL = ("PatientID", "PatientBirthDate", "PatientSex", "StudyDate")


@dataclass(frozen=True, kw_only=True, slots=True)
class SequenceKind:
    """One sequence that a system reads.

    Attributes:
        name: short, as in ``--role UID=name``.
        roles: those of ``dicom.roles`` that mean it.
        weightings: with a role that leaves the weighting open (a Dixon part), those accepted; an unknown one is.
    """

    name: str
    roles: tuple[str, ...]
    weightings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Station:
    """The series of one place.

    Attributes:
        series: name of the sequence -> series; the first is the reference.
    """

    series: dict[str, Series]

    @property
    def reference(self) -> Series:
        """The series whose grid the masks lie on."""
        return next(iter(self.series.values()))


@dataclass(frozen=True, kw_only=True, slots=True)
class StudySequences:
    """What of a study is read, stations from head to foot, and what was left out and why."""

    stations: tuple[Station, ...]
    notes: tuple[str, ...] = field(default=())


def parse_roles(values: Iterable[str]) -> dict[str, str]:
    """Read ``UID=name`` as given on the command line: SeriesInstanceUID -> name of a sequence, or "none".

    Raises:
        UsageError: not of this form, or a series given twice.
    """
    found: dict[str, str] = {}
    for value in values:
        uid, equals, name = value.partition("=")
        if not equals or not uid.strip() or not name.strip():
            raise UsageError(
                f"role {value!r}: expected SeriesInstanceUID=NAME, e.g. 1.2.840.1=T1, or =none to leave out"
            )
        if uid.strip() in found:
            raise UsageError(f"role {value!r}: the series has two roles; give one")
        found[uid.strip()] = name.strip()
    return found


def choose_sequences(
    series: Sequence[Series],
    *,
    kinds: Sequence[SequenceKind],
    roles: Mapping[str, str] | None = None,
    series_uid: str = "",
) -> StudySequences:
    """Sort the series of one study into stations.

    Left out, with a note where their role says that they were meant: series with problems, of fewer than three slices,
    neither sagittal (slice normal nearest to left-right) nor nearly isotropic, and those composed of others.

    Args:
        series: of one study.
        kinds: the sequences wanted; the first that a station has is its reference.
        roles: SeriesInstanceUID -> name of a kind or "none", instead of what the headers say.
        series_uid: only the station that holds this series.

    Raises:
        InputError: no series fits, or two of one kind lie in one place; the series are named.
        UsageError: a role for a series that is not there, or one that is no kind.
    """
    chosen, names = dict(roles or {}), [kind.name for kind in kinds]
    for uid, name in chosen.items():
        if name not in (*names, LEFT_OUT):
            raise UsageError(f"role {name!r} for series {uid}: expected one of {', '.join((*names, LEFT_OUT))}")
    unknown = sorted(set(chosen) - {one.uid for one in series})
    if unknown:
        raise UsageError(f"role for series {unknown[0]}: the study has no such series; see `osteon info`")
    named: list[tuple[str, Series]] = []
    notes: list[str] = []
    for one in series:
        kind = chosen.get(one.uid) or _kind_of(one, kinds)
        if kind is None or kind == LEFT_OUT:
            continue
        why = _unfit(one)
        if why:
            notes.append(f"Series {one.uid} ({kind}) is left out: {why}.")
        else:
            named.append((kind, one))
    if not named:
        raise InputError(_nothing_usable(series, kinds, notes))
    order = [one.name for one in kinds]
    named.sort(key=lambda pair: order.index(pair[0]))
    stations = _stations(_without_stitched(named, notes), notes)
    if series_uid:
        stations = [station for station in stations if any(one.uid == series_uid for one in station.series.values())]
        if not stations:
            raise InputError(f"series {series_uid}: not among the sequences that can be read; see `osteon info`")
    return StudySequences(
        stations=tuple(sorted(stations, key=lambda s: -_middle_z_mm(s.reference))), notes=tuple(notes)
    )


def check_one_examination(series: Sequence[Series]) -> None:
    """Refuse series of two patients or two dates that carry one StudyInstanceUID; NIfTI, which states none, passes.

    Raises:
        InputError: the series and the attribute in which they differ are named, its values are not.
    """
    from osteon.dicom.series import load_headers

    first: dict[str, tuple[str, str]] = {}
    for one in (one for one in series if one.source == "dicom"):
        header = load_headers(replace(one, files=one.files[:1]))[0]
        for keyword in _SAME_IN_ALL:
            value = str(header.get(keyword) or "")
            known, uid = first.setdefault(keyword, (value, one.uid))
            if known != value:
                what = "two dates" if keyword == "StudyDate" else "two patients"
                raise InputError(
                    f"series {uid} and {one.uid} differ in {keyword}: expected one examination of one patient, found "
                    f"{what} in one study; separate them"
                )


def _kind_of(series: Series, kinds: Sequence[SequenceKind]) -> str | None:
    if series.modality != "MR":
        return None
    found = role_with_reason(series).role
    for kind in kinds:
        if found in kind.roles and (not kind.weightings or weighting(series) in (*kind.weightings, None)):
            return kind.name
    return None


def _unfit(series: Series) -> str:
    """Why a series cannot be read; "" where it can."""
    if series.problems or series.grid is None:
        reasons = [text.removeprefix(f"Series {series.uid}: ") for text in (*series.problems, *series.warnings)]
        return (reasons or ["it holds no volume"])[0].rstrip(".")
    if series.grid.shape[0] < FEWEST_SLICES:
        return f"{series.grid.shape[0]} slice(s), expected {FEWEST_SLICES} or more"
    plane, spacing = plane_of_slices(series.grid), series.grid.spacing_mm
    if max(spacing) <= ISOTROPIC * min(spacing):
        return ""
    return "" if plane == "sagittal" else f"its slices are {plane}, expected sagittal"


def plane_of_slices(grid: Grid) -> str:
    """The plane that the slices lie closest to: "sagittal", "coronal" or "axial"."""
    normal = np.abs(grid.axes[:, 2])
    return ("sagittal", "coronal", "axial")[int(np.argmax(normal))]


def _without_stitched(named: list[tuple[str, Series]], notes: list[str]) -> list[tuple[str, Series]]:
    """Leave out what was composed from stations, where a kind has the stations themselves."""

    def stitched(one: Series) -> bool:
        return bool(_STITCHED & {part.upper() for part in one.attributes.get("ImageType", ())})

    original = {name for name, one in named if not stitched(one)}
    kept = [(name, one) for name, one in named if not stitched(one) or name not in original]
    notes += [
        f"Series {one.uid} ({name}) is left out: it is composed of other series."
        for name, one in named
        if stitched(one) and name in original
    ]
    return kept


def _stations(named: Sequence[tuple[str, Series]], notes: list[str]) -> list[Station]:
    stations: list[Station] = []
    for name, one in named:
        here = [station for station in stations if _same_place(station.reference, one)]
        for station in [s for s in here if name in s.series]:
            _refuse_two(name, station.series[name], one)
        joined = [s for s in here if s.reference.frame_of_reference_uid == one.frame_of_reference_uid]
        for station in joined:
            station.series[name] = one
        if here and not joined:
            notes.append(
                f"Series {one.uid} ({name}) lies over series {here[0].reference.uid} but has another "
                "FrameOfReferenceUID; they are not read together."
            )
        if not joined:
            stations.append(Station(series={name: one}))
    return stations


def _refuse_two(name: str, first: Series, second: Series) -> None:
    reasons = ", ".join(f"{one.uid} ({role_with_reason(one).reason})" for one in (first, second))
    raise InputError(
        f"two series in one place are both taken for {name}: {reasons}; expected one. Say which is read: "
        f"--role {second.uid}={LEFT_OUT}, or another role"
    )


def _same_place(a: Series, b: Series) -> bool:
    assert a.grid is not None
    assert b.grid is not None
    return max(shared_part(a.grid, b.grid), shared_part(b.grid, a.grid)) >= SAME_PLACE


def shared_part(a: Grid, b: Grid) -> float:
    """About which part of grid ``a`` lies within grid ``b``, 0 to 1, from 12 x 12 x 12 points."""
    steps = (np.arange(12) + 0.5) / 12
    points = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1) * np.asarray(a.shape[::-1]) - 0.5
    return float(b.contains(a.to_mm(points)).mean())


def _middle_z_mm(series: Series) -> float:
    assert series.grid is not None
    return float(series.grid.to_mm((np.asarray(series.grid.shape[::-1]) - 1) / 2)[2])


def _nothing_usable(series: Sequence[Series], kinds: Sequence[SequenceKind], notes: Sequence[str]) -> str:
    """What was looked for and what is there instead."""
    wanted = ", ".join(f"{kind.name} ({' or '.join(kind.roles)})" for kind in kinds)
    if notes:
        return f"no usable sequence; expected sagittal {wanted}. {' '.join(notes[:5])}"
    images = [one for one in series if one.modality == "MR"]
    if not images:
        kinds_found = sorted({one.modality for one in series}) or ["no images"]
        return f"no MR series; expected sagittal {wanted}; found {', '.join(kinds_found)}"
    found = [f"{one.uid} is {role_with_reason(one).role or 'of unknown role'}" for one in images[:5]]
    return (
        f"no usable sequence; expected sagittal {wanted}; series {'; series '.join(found)}. If a role is wrong, say "
        f"the right one: --role {images[0].uid}={kinds[0].name}"
    )
