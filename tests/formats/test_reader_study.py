from __future__ import annotations

import pytest

from osteon.errors import InputError
from osteon.formats.reader_study import SINGLE, read_reader_study


def rows(modality=True, **replace):
    lines = []
    for case, truth in (("a", 1), ("b", 0), ("c", 1)):
        for reader in ("R1", "R2"):
            for m in ("aided", "unaided") if modality else ("",):
                cells = [case, f"p{case}", str(truth), reader, f"{len(lines)}", "neck", "12.5"]
                lines.append(",".join([*cells, m] if modality else cells))
    return lines


HEADER = "case,patient,truth,reader,score,location,time_s"


def write(tmp_path, lines, header=HEADER + ",modality"):
    path = tmp_path / "study.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def test_a_study_is_read_into_a_grid(tmp_path):
    study = read_reader_study(write(tmp_path, rows()))
    assert study.modalities == ("aided", "unaided")
    assert study.readers == ("R1", "R2")
    assert study.score.shape == (2, 2, 3)
    assert study.score[1, 0].tolist() == [1, 5, 9]
    assert study.truth.tolist() == [True, False, True]
    assert study.location.tolist() == ["neck"] * 3
    assert (study.time_s == 12.5).all()


def test_a_study_without_modalities_has_one(tmp_path):
    study = read_reader_study(write(tmp_path, rows(modality=False), HEADER))
    assert study.modalities == (SINGLE,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines[:-1], r"1 of 12 judgements are missing.*modality 'unaided', reader 'R2', case 'c'"),
        (lambda lines: [*lines[:-1], lines[-1].replace("c,pc,1", "c,pc,0")], "one case with two values of truth"),
        (lambda lines: [*lines[:-1], lines[-1].replace("pc", "pz")], "one case with two values of patient"),
        (
            lambda lines: [*lines[:-1], lines[-1].replace("12.5", "0")],
            r"line 13 \(case c\): time_s is 0; expected seconds",
        ),
        (lambda lines: [line.replace("pb", "pa") for line in lines], "one patient in two classes"),
        (lambda lines: [line.replace(",0,", ",1,", 1) for line in lines], "all 3 cases are positive"),
        (lambda lines: [*lines, lines[0]], "twice"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, change, message):
    with pytest.raises(InputError, match=message) as caught:
        read_reader_study(write(tmp_path, change(rows())))
    assert "study.csv" in str(caught.value)


def test_a_score_or_a_label_is_needed(tmp_path):
    header = HEADER.replace("score", "opinion") + ",modality"
    with pytest.raises(InputError, match="no column 'score' or 'predicted'"):
        read_reader_study(write(tmp_path, rows(), header))
