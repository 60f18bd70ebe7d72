"""A reading as one HTML page that a radiologist can open, print and send: no network, no script, no identity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jinja2

from osteon.files import whole_file
from osteon.report.overview import MARGIN_PX, make_overview
from osteon.report.pictures import BONE_WINDOW_HU, grey_window, make_picture
from osteon.report.views import AXES, body_spans, crop_spans, cut_plane, make_scene, place_in_plane, whole_spans

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from osteon.records import Finding, Reading, Volume
    from osteon.report.overview import Projection
    from osteon.report.pictures import Picture
    from osteon.report.views import Scene

TEMPLATE = "reading_page.html.j2"
MOST_KEY_IMAGES = 40
_FULL_PX, _FULL_BYTES = 620, 80_000
_CROP_PX, _CROP_BYTES = 320, 22_000
_CROP_MM = (50.0, 140.0)
_FEWEST_SLICES = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyImages:
    """Pictures of one finding: the whole key slice, and crops round the finding."""

    finding: Finding
    slice_text: str
    full: Picture
    crops: tuple[Picture, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PageSeries:
    """A further series that findings lie on, where a study was read from several.

    Attributes:
        uid: its SeriesInstanceUID, as in ``Finding.series_uid``.
        volume: what was read.
        lesion_labels: (z, y, x); value k marks finding number k.
        description: SeriesDescription.
    """

    uid: str
    volume: Volume
    lesion_labels: NDArray[np.uint16]
    description: str | None = None


def write_reading_page(
    path: Path,
    *,
    reading: Reading,
    volume: Volume,
    bone_mask: NDArray[np.bool_] | None,
    lesion_labels: NDArray[np.uint16],
    series_description: str | None = None,
    further: Sequence[PageSeries] = (),
) -> None:
    """Write the page, whole or not at all.

    Args:
        path: the file to write.
        reading: findings, verdicts, warnings and provenance.
        volume: what was read, in any orientation.
        bone_mask: (z, y, x) on the volume's grid, for the overview; found by threshold on CT if None.
        lesion_labels: (z, y, x); value k marks finding number k. Findings without voxels are shown by their box.
        series_description: SeriesDescription; shown as text.
        further: other series of the study that findings lie on.

    Raises:
        GeometryError: a mask or a box does not fit the volume.
    """
    text = reading_page(
        reading=reading,
        volume=volume,
        bone_mask=bone_mask,
        lesion_labels=lesion_labels,
        series_description=series_description,
        further=further,
    )
    with whole_file(path) as draft:
        draft.write_text(text, encoding="utf-8")


def reading_page(
    *,
    reading: Reading,
    volume: Volume,
    bone_mask: NDArray[np.bool_] | None,
    lesion_labels: NDArray[np.uint16],
    series_description: str | None = None,
    further: Sequence[PageSeries] = (),
) -> str:
    """The page as text; see ``write_reading_page``."""
    first = PageSeries(
        uid=reading.series_uid, volume=volume, lesion_labels=lesion_labels, description=series_description
    )
    series = {one.uid: one for one in (*further, first)}  # of two with one UID, the first
    pictures = [_series_pictures(one, reading, bone_mask if one is first else None) for one in series.values()]
    key_images = {entry.finding.number: entry for _, entries in pictures for entry in entries}
    own = {finding.number: series.get(finding.series_uid or "", first).volume for finding in reading.findings}
    scene = make_scene(volume, lesion_labels, None)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("osteon.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE).render(
        reading=reading,
        rows=[(finding, *_place(finding, own[finding.number])) for finding in reading.findings],
        key_images=[key_images[finding.number] for finding in reading.findings[:MOST_KEY_IMAGES]],
        overview=[view for overview, _ in reversed(pictures) for view in overview],
        margin=MARGIN_PX,
        most=MOST_KEY_IMAGES,
        series=_series_facts(volume, scene, series_description) | _further_facts(further),
        window=_window_text(volume.modality),
        verdicts={_words(k): _value(v) for k, v in reading.verdicts.items() if _records(v) is None},
        verdict_tables=[
            (_words(k), *_columns_and_rows(records)) for k, v in reading.verdicts.items() if (records := _records(v))
        ],
        operating_point={_words(name): _value(value) for name, value in reading.operating_point.items()},
        patient=_patient_text(reading),
    )


def _series_pictures(
    one: PageSeries, reading: Reading, bone_mask: NDArray[np.bool_] | None
) -> tuple[tuple[Projection, ...], list[KeyImages]]:
    """Overview of one series, and key images of the findings on it that are shown."""
    scene = make_scene(one.volume, one.lesion_labels, bone_mask)
    window = grey_window(one.volume.array, one.volume.modality)
    mine = [finding for finding in reading.findings if (finding.series_uid or reading.series_uid) == one.uid]
    shown = [finding for finding in mine if finding.number <= MOST_KEY_IMAGES]
    key_images = [_key_images(scene, finding, mine, one.volume, window) for finding in shown]
    return make_overview(scene, mine, modality=one.volume.modality, linked=len(shown)), key_images


def _key_images(
    scene: Scene, finding: Finding, findings: Sequence[Finding], volume: Volume, window: tuple[float, float]
) -> KeyImages:
    """The whole key slice with every finding's box on it, and crops round this finding without and with its outline."""
    axis, index = scene.slice_axis, scene.key_index(finding)
    slice_text, name = _slice_text(finding, volume), f"finding {finding.number}"
    around = whole_spans(scene)
    if volume.modality == "CT" and axis == 0:
        around = body_spans(scene, index, keep=scene.spans(finding.box))
    boxes = tuple(
        (other.number, place_in_plane(scene, axis, scene.spans(other.box), around), other is finding)
        for other in findings
        if other is finding or other.box.z0 <= finding.key_slice < other.box.z1
    )
    full = make_picture(
        cut_plane(scene, axis, index, around),
        window=window,
        longest_px=_FULL_PX,
        max_bytes=_FULL_BYTES,
        alt=f"{AXES[axis].capitalize()} {slice_text}, {name} marked by a box",
        caption=f"{AXES[axis].capitalize()}, {slice_text}",
        outlines=(finding.number,),
        boxes=boxes,
    )
    side_mm = min(max(3.0 * finding.longest_diameter_mm, _CROP_MM[0]), _CROP_MM[1])
    crops = [_crop(scene, finding, axis, side_mm, window, drawn=drawn) for drawn in (False, True)]
    for other_axis in range(3):
        if other_axis != axis and min(scene.shape) >= _FEWEST_SLICES:
            crops.append(_crop(scene, finding, other_axis, side_mm, window, drawn=True))
    return KeyImages(finding=finding, slice_text=slice_text, full=full, crops=tuple(crops))


def _crop(
    scene: Scene, finding: Finding, axis: int, side_mm: float, window: tuple[float, float], *, drawn: bool
) -> Picture:
    spans = scene.spans(finding.box)
    middle = ((low + high) / 2 for low, high in spans)
    z, y, x = middle
    around = crop_spans(scene, (z, y, x), side_mm)
    plane = cut_plane(scene, axis, scene.best_index(finding, axis), around)
    has_outline = bool((plane.labels == finding.number).any())
    box = place_in_plane(scene, axis, spans, around)
    return make_picture(
        plane,
        window=window,
        longest_px=_CROP_PX,
        max_bytes=_CROP_BYTES,
        alt=f"{AXES[axis].capitalize()} detail of finding {finding.number}, {'outlined' if drawn else 'not outlined'}",
        caption=AXES[axis].capitalize() + (", outlined" if drawn else ", plain"),
        outlines=(finding.number,) if drawn else (),
        boxes=((finding.number, box, True),) if drawn and not has_outline else (),
    )


def _place(finding: Finding, volume: Volume) -> tuple[int, str]:
    """Slice counted from 1 as viewers do, and the patient position that names it whatever the counting."""
    centre = ((finding.box.x0 + finding.box.x1) / 2, (finding.box.y0 + finding.box.y1) / 2, finding.key_slice)
    along = int(abs(volume.grid.axes[:, 2]).argmax())
    return finding.key_slice + 1, f"{'xyz'[along]} {float(volume.grid.to_mm(centre)[along]):.1f}"


def _slice_text(finding: Finding, volume: Volume) -> str:
    number, position = _place(finding, volume)
    return f"slice {number} of {volume.grid.shape[0]}, {position} mm"


def _series_facts(volume: Volume, scene: Scene, description: str | None) -> dict[str, str]:
    depth, height, width = volume.grid.shape
    dx, dy, dz = volume.grid.spacing_mm
    return {
        "Series": description.strip() if description and description.strip() else "no description",
        "Modality": volume.modality,
        "Images": f"{depth} slice{'s' if depth > 1 else ''} of {width} × {height}, {AXES[scene.slice_axis]}"
        + (", oblique: drawn along its own axes" if scene.oblique else ""),
        "Voxel": f"{dx:.2f} × {dy:.2f} × {dz:.2f} mm",
    }


def _further_facts(further: Sequence[PageSeries]) -> dict[str, str]:
    if not further:
        return {}
    names = [one.description.strip() if one.description and one.description.strip() else "no name" for one in further]
    return {"Further series": ", ".join(names)}


def _window_text(modality: str) -> str:
    if modality == "CT":
        return f"Bone window: level {BONE_WINDOW_HU[0]:.0f} HU, width {BONE_WINDOW_HU[1]:.0f} HU."
    return "Grey levels from the 1st to the 99.5th percentile of the volume."


def _patient_text(reading: Reading) -> str:
    names = {"M": "male", "F": "female", "O": "other"}
    parts = []
    if reading.patient.age_years is not None:
        parts.append(f"{reading.patient.age_years:.0f} years")
    if reading.patient.sex:
        parts.append(names.get(reading.patient.sex, "sex not stated"))
    return ", ".join(parts) or "age and sex not stated"


def _words(name: str) -> str:
    return name.replace("_mm3", " (mm³)").replace("_mm", " (mm)").replace("_", " ").capitalize()


def _records(value: Any) -> list[dict[str, Any]] | None:
    """What is shown as a table: records with the same keys, in a list or by name; None for what is none."""
    if isinstance(value, dict) and value and all(isinstance(entry, dict) for entry in value.values()):
        records = [{"name": name, **entry} for name, entry in value.items()]
    elif isinstance(value, list | tuple) and value and all(isinstance(entry, dict) for entry in value):
        records = list(value)
    else:
        return None
    return records if all(one.keys() == records[0].keys() for one in records) else None


def _columns_and_rows(records: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Headings and cells; a series is known by its kind where one is there, and its UID stays in reading.json."""
    keys = [key for key in records[0] if not (key == "series" and "kind" in records[0])]
    return [_words(key) for key in keys], [[_value(one[key]) for key in keys] for one in records]


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "not stated"}[value]
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"
    if isinstance(value, dict):
        return "; ".join(f"{_words(str(name))}: {_value(entry)}" for name, entry in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_value(entry) for entry in value)
    return str(value)
