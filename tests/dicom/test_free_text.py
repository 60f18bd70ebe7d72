from __future__ import annotations

import pytest

from osteon.dicom.free_text import without_identity


@pytest.mark.parametrize(
    ("text", "identity", "left"),
    [
        ("T2 TSE sag", ("Doe^Jane", "1234"), "T2 TSE sag"),
        ("Doe, Jane T2 sag", ("Doe^Jane", "1234"), "T2 sag"),
        ("t2_DOE_sag", ("Doe^Jane",), "t2 sag"),
        ("JaneDoe", ("Doe^Jane",), None),
        ("sag (Doe) 1234", ("Doe^Jane", "1234"), "sag"),
        ("spine 12-34-5 T1", ("X^Y", "12-34-5"), "spine T1"),
        ("T1 Müller", ("Mueller^Eva",), "T1"),
        ("T1 MUELLER", ("Müller^Eva",), "T1"),
        ("T1 Dvorak", ("Dvořák^A",), "T1"),
        ("ax 19431231 b", ("X^Y",), "ax b"),
        ("ax 31.12.1943 1943-12-31 31.12.43 b", (), "ax b"),
        ("3.0 B70s 1.5/2/3", ("Li^A", "15"), "3.0 B70s 1.5/2/3"),
        ("Bone kernel Smith", ("Bone^Smith",), "Bone kernel"),
        ("Lima scan Li", ("Li^A",), "Lima scan"),
        ("a\\b [x] <script>", (), "a\\b [x] <script>"),
        ("胸部CT山田太郎", ("Yamada^Tarou=山田^太郎",), None),
        ("", ("Doe",), None),
    ],
)
def test_what_is_left_of_a_description(text: str, identity: tuple[str, ...], left: str | None) -> None:
    assert without_identity(text, identity=identity) == left


@pytest.mark.parametrize(
    "word", ["post", "KM", "gd", "CE", "fs", "opp", "pre", "DWI", "t2w", "spair", "mDixon", "nativ"]
)
def test_what_a_role_is_told_by_stays_whatever_the_patient_is_called(word: str) -> None:
    assert without_identity(f"T1 {word} sag", identity=(f"{word}^Anna", word.upper())) == f"T1 {word} sag"


@pytest.mark.parametrize("filling", ["-", "- ", "w1 ", "_x", "山"])
def test_a_hostile_length_is_cut_and_still_answered(filling: str) -> None:
    found = without_identity(
        "T1 " + filling * 100_000 + "b", identity=(filling * 50_000 + "x", "^".join(["ab12"] * 9999))
    )
    assert found is not None
    assert found.startswith("T1")
    assert len(found) <= 256


def test_a_name_that_is_cut_in_two_is_not_half_shown() -> None:
    text = "sag " + "x " * 124 + "Mustermann T1"
    assert "Must" in text[:256]
    assert "Must" not in (without_identity(text, identity=("Mustermann^Max",)) or "Must")
