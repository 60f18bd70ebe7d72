from __future__ import annotations

from typing import TYPE_CHECKING

import highdicom
import numpy as np
import pydicom
import pytest

from osteon.cohort.importers.gathering import ImportOptions
from osteon.cohort.importers.seg import import_seg
from osteon.cohort.manifest import read_cohort
from osteon.dicom.seg_read import is_seg, read_seg, referenced_series
from osteon.errors import CohortError, InputError
from osteon.formats.nifti import read_nifti
from tests.cohort.make import texture, write_case

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = ImportOptions(name="seg", system="lytic", modality="CT")


def write_seg_of(folder: Path, masks: dict[str, np.ndarray], *, reverse: bool = True) -> Path:
    """A SEG written by highdicom, the images given in reversed order: order must not matter."""
    headers = [pydicom.dcmread(path) for path in sorted(folder.glob("*.dcm"))]
    order = range(len(headers) - 1, -1, -1) if reverse else range(len(headers))
    tumour = highdicom.sr.CodedConcept("52988006", "SCT", "Lesion")
    category = highdicom.sr.CodedConcept("49755003", "SCT", "Morphologically Abnormal Structure")
    descriptions = [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=label,
            segmented_property_category=category,
            segmented_property_type=tumour,
            algorithm_type="MANUAL",
        )
        for number, label in enumerate(masks, start=1)
    ]
    pixels = np.stack([mask[list(order)] for mask in masks.values()], axis=-1).astype(np.uint8)
    seg = highdicom.seg.Segmentation(
        source_images=[headers[k] for k in order],
        pixel_array=pixels,
        segmentation_type="BINARY",
        segment_descriptions=descriptions,
        series_instance_uid=highdicom.UID(),
        series_number=9,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="t",
        manufacturer_model_name="t",
        software_versions="1",
        device_serial_number="1",
    )
    path = folder / "seg.dcm"
    seg.save_as(path)
    return path


@pytest.fixture
def study(tmp_path: Path) -> tuple[Path, dict[str, np.ndarray]]:
    write_case(tmp_path, "x", texture(1), identity="someone", lesion=False)
    (tmp_path / "source").mkdir()
    (tmp_path / "cases/x/ct").rename(tmp_path / "source/x")
    masks = {name: np.zeros((6, 48, 48), dtype=bool) for name in ("tumour A", "tumour B", "bone")}
    masks["tumour A"][1:3, 10:14, 20:25] = True
    masks["tumour B"][4, 30:33, 8:12] = True
    masks["bone"][:, 5:9, 5:9] = True
    write_seg_of(tmp_path / "source/x", masks)
    return tmp_path / "source", masks


def test_segments_are_read_on_the_slices_in_their_order(study: tuple[Path, dict[str, np.ndarray]]) -> None:
    folder, masks = study[0] / "x", study[1]
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in sorted(folder.glob("0*.dcm"))]
    assert is_seg(folder / "seg.dcm")
    assert not is_seg(folder / "00001.dcm")
    assert referenced_series(folder / "seg.dcm") == (str(headers[0].SeriesInstanceUID),)
    found = read_seg(folder / "seg.dcm", headers=headers)
    assert [(one.number, one.label, one.property_type) for one in found] == [
        (1, "tumour A", "Lesion"),
        (2, "tumour B", "Lesion"),
        (3, "bone", "Lesion"),
    ]
    for one in found:
        assert np.array_equal(one.mask, masks[one.label])


def test_a_seg_of_other_images_is_refused(study: tuple[Path, dict[str, np.ndarray]], tmp_path: Path) -> None:
    write_case(tmp_path / "b", "y", texture(2), lesion=False)
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in sorted((tmp_path / "b").rglob("*.dcm"))]
    with pytest.raises(InputError, match="refer"):
        read_seg(study[0] / "x/seg.dcm", headers=headers)


def test_studies_with_segs_become_a_cohort(study: tuple[Path, dict[str, np.ndarray]], tmp_path: Path) -> None:
    source, masks = study
    notes = import_seg(source, tmp_path / "out", options=OPTIONS)
    cohort = read_cohort(tmp_path / "out")
    case = cohort.cases[0]
    assert (len(cohort.cases), case.case, case.patient, case.labels) == (1, "s0000", "p0000", {"lesions": 2})
    lesions = read_nifti(cohort.truth_path(case, "lesions"))
    assert np.array_equal(lesions.array, masks["tumour A"] * 1 + masks["tumour B"] * 2)
    assert lesions.grid.spacing_mm == pytest.approx((1, 1, 3))
    assert np.array_equal(read_nifti(cohort.truth_path(case, "bone")).array > 0, masks["bone"])
    assert "someone" not in (tmp_path / "out/cohort.json").read_text()
    assert any("identity" in note for note in notes)


def test_lesions_that_overlap_and_folders_without_seg_are_errors(
    study: tuple[Path, dict[str, np.ndarray]], tmp_path: Path
) -> None:
    source, masks = study
    (source / "x/seg.dcm").unlink()
    with pytest.raises(CohortError, match="no DICOM Segmentation"):
        import_seg(source, tmp_path / "out", options=OPTIONS)
    write_seg_of(source / "x", {"tumour A": masks["tumour A"], "tumour B": masks["tumour A"]})
    with pytest.raises(CohortError, match="'tumour B' overlaps another"):
        import_seg(source, tmp_path / "out", options=OPTIONS)
