from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from osteon.errors import InputError
from osteon.systems.fracture.published.config import ReaderPart
from osteon.systems.fracture.published.readers import false_positive_chance, given_readers, simulated_readers

if TYPE_CHECKING:
    from pathlib import Path

HOMOGENEOUS, DIFFUSE, BAND = (
    "homogeneous_marrow_signal",
    "diffuse_signal_change_over_three_quarters",
    "band_pattern_marrow_edema",
)


def benign_features() -> dict[str, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """As in the study's 140: 48, 31 and 44, each patient with one of them at most."""
    place = np.arange(140)
    return {HOMOGENEOUS: place < 48, DIFFUSE: (place >= 48) & (place < 79), BAND: (place >= 79) & (place < 123)}


def test_the_juniors_expected_false_positives_are_the_printed_ones() -> None:
    features = benign_features()
    chance = false_positive_chance(features)
    assert chance.sum() == pytest.approx(54, abs=0.05)
    assert [float(chance[features[name]].sum()) for name in (HOMOGENEOUS, DIFFUSE, BAND)] == pytest.approx(
        [6, 20, 24], abs=0.05
    )


def test_simulated_readers_have_the_studys_counts_on_average() -> None:
    truth = np.repeat([True, False], [500, 1400])
    features = {name: np.concatenate([np.zeros(500, bool), np.tile(v, 10)]) for name, v in benign_features().items()}
    called = simulated_readers(ReaderPart(), truth=truth, features=features, seed=1).called
    assert called[:, truth].mean(axis=1) == pytest.approx([0.94, 0.94, 0.78], abs=0.06)
    assert called[:, ~truth].mean(axis=1) == pytest.approx([1 / 140, 5 / 140, 54 / 140], abs=0.04)


def write(path: Path, calls: dict[str, list[int]], truth: list[int]) -> str:
    rows = [
        f"c{k},p{k},{truth[k]},{reader},{call}" for reader, values in calls.items() for k, call in enumerate(values)
    ]
    path.write_text("\n".join(["case,patient,truth,reader,predicted", *rows]) + "\n", encoding="utf-8")
    return str(path)


def test_real_readers_come_from_a_file_in_the_order_named(tmp_path: Path) -> None:
    calls = {"ann": [1, 0, 0], "bob": [1, 1, 0], "cy": [0, 1, 1]}
    file = write(tmp_path / "r.csv", calls, [1, 0, 1])
    patients = np.array(["p2", "p0", "p1"])
    config = ReaderPart(file=file, names=("cy", "ann", "bob"))
    found = given_readers(config, patient=patients, truth=np.array([True, True, False]))
    assert found.names == ("cy", "ann", "bob")
    assert found.called.astype(int).tolist() == [[1, 0, 1], [0, 1, 0], [0, 1, 1]]
    assert not found.simulated
    with pytest.raises(InputError, match="truth"):
        given_readers(config, patient=patients, truth=np.array([True, True, True]))
    with pytest.raises(InputError, match="no calls for 1"):
        given_readers(config, patient=np.array(["p9"]), truth=np.array([True]))


def test_a_file_with_two_calls_of_a_reader_for_a_patient_is_refused(tmp_path: Path) -> None:
    rows = [f"c{k},p{k // 2},1,{reader},1" for reader in ("ann", "bob", "cy") for k in range(2)]
    rows += [f"c{k},p{k // 2},0,{reader},1" for reader in ("ann", "bob", "cy") for k in (2, 3)]
    header, path = "case,patient,truth,reader,predicted", tmp_path / "r.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="4 cases of 2 patients"):
        given_readers(ReaderPart(file=str(path)), patient=np.array(["p0", "p1"]), truth=np.array([True, False]))
    twice = [f"c{k},p{k},{k},{reader},1,{what}" for reader in "abc" for k in (0, 1) for what in ("early", "late")]
    path.write_text("\n".join([f"{header},modality", *twice]) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="2 modalities"):
        given_readers(ReaderPart(file=str(path)), patient=np.array(["p0", "p1"]), truth=np.array([False, True]))
