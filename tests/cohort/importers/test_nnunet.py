from __future__ import annotations

import json
from typing import TYPE_CHECKING

import nibabel
import numpy as np
import pytest

from osteon.cohort.importers.gathering import ImportOptions
from osteon.cohort.importers.nnunet import import_nnunet
from osteon.cohort.manifest import read_cohort
from osteon.cohort.splits import read_splits
from osteon.errors import CohortError, InputError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = ImportOptions(name="spine", system="lytic", modality="CT")


def write_raw(root: Path, *, labels: dict[str, object] | None = None) -> Path:
    """Three cases written by nibabel: two lesions, one lesion, none."""
    for folder in ("imagesTr", "labelsTr"):
        (root / folder).mkdir(parents=True)
    affine = np.diag([-1.0, -1.0, 2.0, 1.0])
    for number, count in enumerate((2, 1, 0)):
        mask = np.zeros((12, 10, 8), dtype=np.uint8)
        mask[1:11] = 1
        for k in range(count):
            mask[2 + 5 * k : 4 + 5 * k, 2:4, 2:4] = 2
        image = np.random.default_rng(number).normal(0, 100, mask.shape).astype(np.int16)
        nibabel.Nifti1Image(image, affine).to_filename(root / "imagesTr" / f"sp_{number}_0000.nii.gz")
        nibabel.Nifti1Image(mask, affine).to_filename(root / "labelsTr" / f"sp_{number}.nii.gz")
    document = {"channel_names": {"0": "CT"}, "labels": labels or {"background": 0, "bone": 1, "lytic lesion": 2}}
    (root / "dataset.json").write_text(json.dumps(document | {"numTraining": 3, "file_ending": ".nii.gz"}))
    return root


def test_a_raw_dataset_becomes_a_cohort_with_instances(tmp_path: Path) -> None:
    notes = import_nnunet(write_raw(tmp_path / "D1"), tmp_path / "out", options=OPTIONS)
    cohort = read_cohort(tmp_path / "out")
    assert [(case.case, case.labels) for case in cohort.cases] == [
        ("sp_0", {"lesions": 2}),
        ("sp_1", {"lesions": 1}),
        ("sp_2", {"lesions": 0}),
    ]
    assert cohort.kind == "real"
    assert any("patient of its own" in note for note in notes)
    source = np.asarray(nibabel.load(tmp_path / "D1/labelsTr/sp_0.nii.gz").dataobj)
    lesions = nibabel.load(cohort.truth_path(cohort.cases[0], "lesions"))
    assert np.array_equal(np.asarray(lesions.dataobj) > 0, source == 2)
    assert np.unique(np.asarray(lesions.dataobj)).tolist() == [0, 1, 2]
    assert np.allclose(lesions.affine, np.diag([-1.0, -1.0, 2.0, 1.0]))
    bone = np.asarray(nibabel.load(cohort.truth_path(cohort.cases[0], "bone")).dataobj)
    assert np.array_equal(bone > 0, source == 1)
    assert (tmp_path / "out/cases/sp_0/image/0000.nii.gz").is_file()


def test_people_and_splits_are_taken_over(tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "D1")
    (raw / "splits_final.json").write_text(json.dumps([{"train": ["sp_0", "sp_1"], "val": ["sp_2"]}]))
    people = tmp_path / "people.csv"
    people.write_text("case,patient,age_years,sex,diagnosis\nsp_0,A,61,F,myeloma\nsp_1,A,62,F,myeloma\nsp_2,B,,M,\n")
    options = ImportOptions(name="spine", system="lytic", modality="CT", people=people, link=True)
    import_nnunet(raw, tmp_path / "out", options=options)
    cohort = read_cohort(tmp_path / "out")
    assert [(case.patient, case.age_years, case.sex) for case in cohort.cases] == [
        ("A", 61, "F"),
        ("A", 62, "F"),
        ("B", None, "M"),
    ]
    assert cohort.cases[0].labels == {"lesions": 2, "diagnosis": "myeloma"}
    assert read_splits(tmp_path / "out/splits.json", cohort)[0].val == ("sp_2",)
    linked = tmp_path / "out/cases/sp_0/image/0000.nii.gz"
    assert linked.samefile(raw / "imagesTr/sp_0_0000.nii.gz")
    assert not linked.is_symlink()


def test_labels_that_nobody_can_tell_apart_must_be_named(tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "D1", labels={"background": 0, "skeleton": 1, "target": 2})
    with pytest.raises(UsageError, match=r"labels \['skeleton', 'target'\]: none is plainly a lesion's"):
        import_nnunet(raw, tmp_path / "out", options=OPTIONS)
    assert not (tmp_path / "out").exists()
    named = ImportOptions(name="s", system="lytic", modality="CT", lesion_labels=("target",), bone_labels=("skeleton",))
    import_nnunet(raw, tmp_path / "out", options=named)
    assert sorted(read_cohort(tmp_path / "out").cases[0].truth) == ["bone", "lesions"]
    strange = ImportOptions(name="s", system="lytic", modality="CT", lesion_labels=("spot",))
    with pytest.raises(UsageError, match=r"labels \['spot'\]: not in the files"):
        import_nnunet(raw, tmp_path / "other", options=strange)


def test_what_is_missing_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "D1")
    (raw / "labelsTr/sp_1.nii.gz").unlink()
    with pytest.raises(CohortError, match="case sp_1: no mask"):
        import_nnunet(raw, tmp_path / "out", options=OPTIONS)
    assert [path.name for path in tmp_path.iterdir()] == ["D1"]
    (raw / "dataset.json").write_text("{}")
    with pytest.raises(InputError, match="no 'labels'"):
        import_nnunet(raw, tmp_path / "out", options=OPTIONS)
    people = tmp_path / "people.csv"
    people.write_text("case,patient\nsp_9,A\n")
    with pytest.raises(CohortError, match=r"names \['sp_9'\], which are no cases"):
        import_nnunet(
            write_raw(tmp_path / "D2"),
            tmp_path / "out",
            options=ImportOptions(name="s", system="lytic", modality="CT", people=people),
        )
