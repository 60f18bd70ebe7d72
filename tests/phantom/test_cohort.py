from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from osteon.cohort.manifest import Case, Cohort, read_cohort
from osteon.errors import CohortError
from osteon.formats.labelme import read_labelme
from osteon.formats.rectangles import to_boxes
from osteon.phantom.cohort import make_cohort, make_patient
from osteon.phantom.cohorts import lytic as module
from osteon.phantom.ct.render import SITES
from osteon.phantom.ct.scan import draw_ct_scan
from osteon.phantom.options import FORMAT, PhantomOptions
from tests.dicom.validators import complaints, needs_dciodvfy

if TYPE_CHECKING:
    from osteon.phantom.ct.scan import CtScan

OPTIONS = PhantomOptions(patients=3, seed=2, range_mm=(15.0, 35.0), mean_lesions=60.0)


def digest(folder: Path) -> dict[str, str]:
    """Content of every file by its path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Three patients, eight slices each, made in this process."""
    return make_cohort(OPTIONS, tmp_path_factory.mktemp("phantoms") / "cohort", jobs=1)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, scan: CtScan) -> None:
    """Patients that cost nothing: three slices of one scan, for tests of what happens around them."""
    grid = replace(scan.volume.grid, shape=(3, *scan.volume.grid.shape[1:]))
    part = replace(
        scan,
        volume=replace(scan.volume, array=scan.volume.array[:3], grid=grid),
        sites=scan.sites[:3],
        lesions=scan.lesions[:3],
        vertebrae=scan.vertebrae[:3],
    )
    monkeypatch.setattr(module, "draw_ct_scan", lambda rng, **_: part)


def test_what_is_written_is_read_back(cohort: Cohort) -> None:
    again = read_cohort(cohort.root)
    assert again == cohort
    assert [case.case for case in again.cases] == ["p0000", "p0001", "p0002"]
    assert again.system == "lytic"
    for case in again.cases:
        assert again.study_path(case).is_dir()
        for kind in ("bone", "lesions", "vertebrae", "boxes", "lesion_table"):
            assert again.truth_path(case, kind).exists()
        assert case.sex in ("M", "F")
        assert 35 <= (case.age_years or 0) <= 90
    counts = [case.labels["lesions"] for case in again.cases]
    assert max(counts) > 0
    assert min(counts) == 0  # a healthy patient is a case like any other


def test_series_are_the_volumes_to_another_library(cohort: Cohort) -> None:
    scan = draw_ct_scan(
        np.random.default_rng([FORMAT, OPTIONS.seed, 0]), profile="small", range_mm=OPTIONS.range_mm, mean_lesions=60.0
    )
    case = cohort.cases[0]
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(cohort.study_path(case))))
    image = reader.Execute()
    grid = scan.volume.grid
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), scan.volume.array)
    np.testing.assert_allclose(image.GetSpacing(), grid.spacing_mm)
    np.testing.assert_allclose(image.GetOrigin(), grid.origin_mm)
    np.testing.assert_allclose(np.reshape(image.GetDirection(), (3, 3)), grid.axes)
    for kind, array in (("bone", scan.sites), ("lesions", scan.lesions), ("vertebrae", scan.vertebrae)):
        stored = nibabel.load(cohort.truth_path(case, kind))
        np.testing.assert_array_equal(np.asarray(stored.dataobj).transpose(2, 1, 0), array)
        np.testing.assert_allclose(np.diag([-1, -1, 1, 1]) @ stored.affine, grid.affine, atol=1e-4)


@needs_dciodvfy
def test_series_are_valid_dicom(cohort: Cohort) -> None:
    for case in cohort.cases:
        files = sorted(cohort.study_path(case).iterdir())
        for path in (files[0], files[-1]):
            assert complaints(path) == []


def test_boxes_are_those_of_the_mask(cohort: Cohort) -> None:
    count = 0
    for case in cohort.cases:
        lesions = np.asarray(nibabel.load(cohort.truth_path(case, "lesions")).dataobj).transpose(2, 1, 0)
        names = [path.name for path in sorted(cohort.study_path(case).iterdir())]
        annotations = read_labelme(cohort.truth_path(case, "boxes"))
        assert len(annotations) == len(names)
        found = {
            (label, box.z0): (box.x0, box.y0, box.x1, box.y1) for label, box in to_boxes(annotations, image_names=names)
        }
        expected = {}
        for z, number in {(int(z), int(n)) for z, n in zip(np.nonzero(lesions)[0], lesions[lesions > 0], strict=True)}:
            y, x = np.nonzero(lesions[z] == number)
            expected[f"lesion {number}", z] = (x.min(), y.min(), x.max() + 1, y.max() + 1)
        assert found == expected
        count += len(expected)
    assert count > 0


def test_the_lesion_table_is_the_mask(cohort: Cohort) -> None:
    for case in cohort.cases:
        table = json.loads(cohort.truth_path(case, "lesion_table").read_text())
        lesions = np.asarray(nibabel.load(cohort.truth_path(case, "lesions")).dataobj)
        bone = np.asarray(nibabel.load(cohort.truth_path(case, "bone")).dataobj)
        assert {row["number"] for row in table["lesions"]} == set(np.unique(lesions)) - {0}
        assert len(table["lesions"]) == case.labels["lesions"]
        assert (bone[lesions > 0] > 0).all()
        assert bone.max() < len(SITES)
        assert {row["kind"] for row in table["mimics"]}.isdisjoint({"lytic lesion"})
        assert {row["kind"] for row in (*table["lesions"], *table["unseen"])} <= {"lytic lesion"}


def test_a_killed_run_goes_on_to_the_same_bytes(cohort: Cohort, tmp_path: Path) -> None:
    """Two processes, the parent killed after the first patient, then two processes again."""
    out = tmp_path / "cohort"
    code = (
        "import sys; from pathlib import Path\n"
        "from osteon.phantom.cohort import make_cohort\n"
        "from tests.phantom.test_cohort import OPTIONS\n"
        "if __name__ == '__main__': make_cohort(OPTIONS, Path(sys.argv[1]), jobs=2)\n"
    )
    script = tmp_path / "run.py"
    script.write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    run = subprocess.Popen([sys.executable, script, out], env=environment, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 300
    while not list((out / "cases").glob("p*")) and run.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    assert not (out / "cohort.json").exists()
    seen: list[tuple[int, int, str]] = []
    again = make_cohort(OPTIONS, out, jobs=2, on_case=lambda *step: seen.append(step))
    assert seen == [(1, 3, "p0000"), (2, 3, "p0001"), (3, 3, "p0002")]
    assert again.cases == cohort.cases
    assert digest(out) == digest(cohort.root)  # no drafts left either


def test_finished_patients_are_not_made_again(cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "copy"
    shutil.copytree(cohort.root, out)
    (out / "cohort.json").unlink()
    monkeypatch.setattr(module, "draw_ct_scan", None)  # would fail if called
    assert make_cohort(OPTIONS, out).cases == cohort.cases


@pytest.mark.usefixtures("quick")
def test_a_cohort_may_grow(tmp_path: Path) -> None:
    make_cohort(replace(OPTIONS, patients=1), tmp_path / "c")
    before = digest(tmp_path / "c" / "cases" / "p0000")
    assert len(make_cohort(replace(OPTIONS, patients=2), tmp_path / "c").cases) == 2
    assert digest(tmp_path / "c" / "cases" / "p0000") == before


@pytest.mark.usefixtures("quick")
def test_another_run_that_was_faster_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one run writes a patient, another finishes the same one and clears the first one's draft away."""
    write = module.write_patient

    def overtaken(*arguments: Any, **named: Any) -> Case:
        monkeypatch.setattr(module, "write_patient", write)
        make_patient(OPTIONS, 0, out=tmp_path)
        return write(*arguments, **named)

    monkeypatch.setattr(module, "write_patient", overtaken)
    case = make_patient(OPTIONS, 0, out=tmp_path)
    assert case.case == "p0000"
    assert [path.name for path in (tmp_path / "cases").iterdir()] == ["p0000"]
    assert (tmp_path / "cases" / "p0000" / "case.json").exists()


@pytest.mark.usefixtures("quick")
def test_drafts_of_a_killed_run_are_cleared_away(tmp_path: Path) -> None:
    old = tmp_path / "cases" / ".p0000.12345678.part"
    other = tmp_path / "cases" / ".p0001.12345678.part"
    for folder in (old, other):
        (folder / "ct").mkdir(parents=True)
    make_patient(OPTIONS, 0, out=tmp_path)
    assert not old.exists()
    assert other.exists()  # somebody may be at work on that one


@pytest.mark.usefixtures("quick")
def test_nothing_half_written_stays_after_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_labelme", full)
    with pytest.raises(CohortError, match=r"c: case p0000 cannot be written \(No space left.*same command again"):
        make_cohort(OPTIONS, tmp_path / "c")
    assert list((tmp_path / "c" / "cases").iterdir()) == []
    assert not (tmp_path / "c" / "cohort.json").exists()


@pytest.mark.usefixtures("quick")
def test_folders_of_something_else_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(CohortError, match=r"mine: is not empty and holds no phantom.json; choose a new folder"):
        make_cohort(OPTIONS, tmp_path / "mine")
    (tmp_path / "file").write_text("x")
    with pytest.raises(CohortError, match="file: cannot be used as a folder"):
        make_cohort(OPTIONS, tmp_path / "file")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "x"


@pytest.mark.usefixtures("quick")
def test_other_options_are_named(tmp_path: Path) -> None:
    make_cohort(replace(OPTIONS, patients=1), tmp_path / "c")
    other = replace(OPTIONS, seed=3, mean_lesions=3.0)
    with pytest.raises(CohortError, match=r"seed 2, not 3, mean_lesions 60.0, not 3.0\); choose another folder"):
        make_cohort(other, tmp_path / "c")
    with pytest.raises(CohortError, match=r"other options \(healthy None, not 0.5\); choose"):
        make_cohort(replace(OPTIONS, healthy=0.5), tmp_path / "c")
    for damage in (b"{", b"[]", b"\xff", b"[" * 100_000, b"9" * 5000):
        (tmp_path / "c" / "phantom.json").write_bytes(damage)
        with pytest.raises(CohortError, match=r"phantom.json is damaged"):
            make_cohort(OPTIONS, tmp_path / "c")


@pytest.mark.usefixtures("quick")
def test_damaged_patients_are_named(tmp_path: Path) -> None:
    make_patient(OPTIONS, 0, out=tmp_path)
    record = tmp_path / "cases" / "p0000" / "case.json"
    for damage in (record.read_text()[:40], "[" * 100_000, "{}"):
        record.write_text(damage)
        with pytest.raises(CohortError, match=r"cases/p0000/case.json is damaged; remove that folder and run again"):
            make_patient(OPTIONS, 0, out=tmp_path)
    record.unlink()
    with pytest.raises(CohortError, match=r"case p0000 cannot be written.*already exists"):
        make_patient(OPTIONS, 0, out=tmp_path)
