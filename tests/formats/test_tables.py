from __future__ import annotations

import pytest

from osteon.errors import InputError
from osteon.formats.tables import read_table


def write(tmp_path, text, name="cases.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


GOOD = "case,patient,truth,score\nc1,p1,1,0.9\nc2,p2,0,0.2\n"


def test_a_table_is_read_by_name(tmp_path):
    table = read_table(write(tmp_path, GOOD), required=("case", "truth"))
    assert len(table) == 2
    assert table.text("case").tolist() == ["c1", "c2"]
    assert table.numbers("score").tolist() == [0.9, 0.2]
    assert table.classes("truth").tolist() == [True, False]
    assert table.line.tolist() == [2, 3]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("head", ["", "\ufeff"])
def test_separators_marks_and_line_ends(tmp_path, separator, head):
    text = head + GOOD.replace(",", separator).replace("\n", "\r\n") + "\r\n"
    assert read_table(write(tmp_path, text)).numbers("score").tolist() == [0.9, 0.2]


def test_quotes_spaces_and_blank_lines(tmp_path):
    table = read_table(write(tmp_path, 'case,note\n c1 ,"a, b"\n\nc2,"two\nlines"\n'))
    assert table.text("case").tolist() == ["c1", "c2"]
    assert table.text("note").tolist() == ["a, b", "two\nlines"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no header line"),
        ("case,score\n", "a header but no rows"),
        ("case,score\nc1\n", "line 2: 1 cells under 2 columns"),
        ("case,score,score\nc1,1,2\n", r"\['score'\] occur twice"),
        ('case,score\n"c1,1\n', "not a CSV"),
        ("case,rating\nc1,1\n", r"no column \['score'\]; expected \['case', 'score'\], found \['case', 'rating'\]"),
    ],
)
def test_a_broken_file_names_itself_and_the_place(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read_table(write(tmp_path, text), required=("case", "score"))
    assert "cases.csv" in str(caught.value)


def test_what_is_no_text_is_refused(tmp_path):
    with pytest.raises(InputError, match="not a CSV in UTF-8"):
        read_table(write(tmp_path, "case,score\né,1\n", encoding="latin-1"))
    with pytest.raises(InputError, match="no such file"):
        read_table(tmp_path / "absent.csv")


@pytest.mark.parametrize("cell", ["", "NaN", "nan", "inf", "high", "0,5"])
def test_a_score_that_is_no_number_names_line_and_case(tmp_path, cell):
    path = write(tmp_path, f'case,score\nc1,0.1\nc2,"{cell}"\n')
    with pytest.raises(InputError, match=r"line 3 \(case c2\): score is .*expected a finite number"):
        read_table(path).numbers("score")


def test_labels_outside_the_set(tmp_path):
    table = read_table(write(tmp_path, "case,truth\nc1,1\nc2,malignant\n"))
    with pytest.raises(InputError, match=r"line 3 \(case c2\): truth is 'malignant'; expected 0 or 1.*--positive"):
        table.classes("truth")
    named = read_table(write(tmp_path, "case,truth\nc1,benign\nc2,malignant\nc3,other\n"))
    with pytest.raises(InputError, match=r"'benign', 'malignant', 'other'.*'malignant' and one other label"):
        named.classes("truth", positive="malignant")
    with pytest.raises(InputError, match=r"'tumour' and one other|'tumour' in some rows"):
        named.classes("truth", positive="tumour")
    two = read_table(write(tmp_path, "case,truth\nc1,benign\nc2,malignant\n"))
    assert two.classes("truth", positive="malignant").tolist() == [False, True]


def test_doubles_and_gaps(tmp_path):
    table = read_table(write(tmp_path, "case,reader\nc1,A\nc2,A\nc1,A\n"))
    with pytest.raises(InputError, match=r"lines 2 and 4: the same case, reader twice \(case c1\)"):
        table.unique_on(["case", "reader"])
    with pytest.raises(InputError, match="line 3: column 'patient' is empty in 1 rows"):
        read_table(write(tmp_path, "case,patient\nc1,p1\nc2,\n")).text("patient")
    with pytest.raises(InputError, match="no column 'site'"):
        table.text("site")


def test_rows_can_be_picked(tmp_path):
    table = read_table(write(tmp_path, "case,reader\nc1,A\nc2,B\nc3,A\n"))
    picked = table.select(table.text("reader") == "A")
    assert picked.text("case").tolist() == ["c1", "c3"]
    assert picked.line.tolist() == [2, 4]
