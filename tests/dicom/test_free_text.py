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
