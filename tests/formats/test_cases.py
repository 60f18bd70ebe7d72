from __future__ import annotations

import pytest

from osteon.errors import InputError, UsageError
from osteon.formats.cases import read_cases


def write(tmp_path, text, name="test.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


GOOD = "case,patient,truth,score,site\na,p1,1,0.9,neck\nb,p2,0,0.4,neck\nc,p3,0,0.1,back\n"


def test_cases_are_read(tmp_path):
    cases = read_cases(write(tmp_path, GOOD))
    assert cases.truth.tolist() == [True, False, False]
    assert cases.score.tolist() == [0.9, 0.4, 0.1]
    assert cases.called is None
    assert cases.patient.tolist() == ["p1", "p2", "p3"]
    assert len(read_cases(write(tmp_path, GOOD), only=["site=neck"])) == 2


def test_labels_instead_of_scores(tmp_path):
    text = "case,patient,truth,predicted\na,p1,bad,bad\nb,p2,good,bad\n"
    cases = read_cases(write(tmp_path, text), positive="bad")
    assert cases.called.tolist() == [True, True]  # a test that always says yes is a test
    assert cases.score is None
    with pytest.raises(InputError, match=r"line 3 \(case b\): predicted is 'ugly'; expected one of \['bad', 'good'\]"):
        read_cases(write(tmp_path, text.replace("good,bad", "good,ugly")), positive="bad")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("case,patient,score\na,p1,1\n", r"no column \['truth'\]"),
        ("case,patient,truth\na,p1,1\n", "no column 'score' or 'predicted'"),
        (GOOD.replace("0.4", "nan"), r"line 3 \(case b\): score is 'nan'"),
        (GOOD.replace("p2,0", "p2,2"), r"line 3 \(case b\): truth is '2'"),
        (GOOD.replace("b,p2", "a,p2"), "lines 2 and 3: the same case twice"),
        (GOOD.replace("p1,1", "p1,0"), "all 3 cases are negative; expected both classes"),
        (GOOD.replace("b,p2", "b,p1"), "lines 2 and 3: one patient in two classes"),
    ],
)
def test_bad_input_names_file_row_and_remedy(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read_cases(write(tmp_path, text))
    assert "test.csv" in str(caught.value)
    assert "p1" not in str(caught.value).replace("'p1'", "")  # patients are not named


def test_truth_may_belong_to_each_image(tmp_path):
    text = GOOD.replace("b,p2", "b,p1")
    assert len(read_cases(write(tmp_path, text), truth_per_case=True)) == 3


def test_truth_from_another_file(tmp_path):
    predictions = write(tmp_path, "case,score\nb,0.4\na,0.9\nc,0.1\n", "predictions.csv")
    truth = write(tmp_path, "case,patient,truth\na,p1,1\nb,p2,0\nc,p3,0\n", "truth.csv")
    cases = read_cases(predictions, truth_path=truth)
    assert cases.case.tolist() == ["b", "a", "c"]
    assert cases.truth.tolist() == [False, True, False]
    unknown = write(tmp_path, "case,score\nb,0.4\nx,0.9\nc,0.1\n", "unknown.csv")
    with pytest.raises(
        InputError, match=r"unknown.csv, line 3 \(case x\): a prediction for a case that truth.csv does"
    ):
        read_cases(unknown, truth_path=truth)
    short = write(tmp_path, "case,score\nb,0.4\n", "short.csv")
    with pytest.raises(InputError, match=r"truth.csv: 2 of 3 cases have no prediction in short.csv, the first 'a'"):
        read_cases(short, truth_path=truth)


def test_filters_that_cannot_be(tmp_path):
    path = write(tmp_path, GOOD)
    with pytest.raises(UsageError, match="expected COLUMN=VALUE"):
        read_cases(path, only=["site"])
    with pytest.raises(InputError, match=r"no row has site=leg; site holds \['back', 'neck'\]"):
        read_cases(path, only=["site=leg"])
