from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from osteon.errors import InputError
from osteon.formats.reading_json import read_reading, reading_document, reading_schema, write_reading
from osteon.records import Box, Finding, Patient, Provenance, Reading
from tests.readings import make_example

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("count", [0, 1, 5])
def test_round_trip(tmp_path: Path, count: int) -> None:
    reading = replace(make_example(count).reading, warnings=("Größe: 0 < 1",))
    write_reading(tmp_path / "reading.json", reading)
    assert read_reading(tmp_path / "reading.json") == reading


def test_unknown_values_are_null(tmp_path: Path) -> None:
    reading = make_example(1).reading
    finding = replace(reading.findings[0], site=None, mean_value=None)
    write_reading(tmp_path / "a.json", replace(reading, findings=(finding,), patient=Patient()))
    document = json.loads((tmp_path / "a.json").read_text())
    assert document["patient"] == {"age_years": None, "sex": None}
    assert (document["findings"][0]["site"], document["findings"][0]["mean_value"]) == (None, None)


def test_numpy_values_become_numbers(tmp_path: Path) -> None:
    reading = replace(
        make_example(1).reading,
        verdicts={"n": np.int64(3), "p": np.float32(0.5), "list": (np.float64(1), 2), "array": np.arange(2)},
    )
    write_reading(tmp_path / "a.json", reading)
    assert read_reading(tmp_path / "a.json").verdicts == {"n": 3, "p": 0.5, "list": [1.0, 2], "array": [0, 1]}


def test_schema_is_valid_and_describes_every_field_of_the_records() -> None:
    schema = reading_schema()
    Draft202012Validator.check_schema(schema)
    definitions = schema["$defs"]
    for record, properties, extra in (
        (Reading, schema["properties"], {"schema"}),
        (Finding, definitions["finding"]["properties"], set()),
        (Box, definitions["finding"]["properties"]["box"]["properties"], set()),
        (Provenance, definitions["provenance"]["properties"], set()),
        (Patient, schema["properties"]["patient"]["properties"], set()),
    ):
        assert {field.name for field in fields(record)} | extra == set(properties)
        for name, entry in properties.items():
            target = definitions[entry["$ref"].split("/")[-1]] if "$ref" in entry else entry
            assert entry.get("description") or target.get("description"), name


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float64("nan"), object()])
def test_what_json_cannot_hold_is_refused(tmp_path: Path, value: Any) -> None:
    reading = make_example(1).reading
    with pytest.raises(InputError):
        write_reading(tmp_path / "a.json", replace(reading, verdicts={"x": [value]}))
    with pytest.raises(InputError):
        write_reading(tmp_path / "a.json", replace(reading, findings=(replace(reading.findings[0], volume_mm3=value),)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("schema", "osteon-reading/2", "osteon-reading/2.*expected 'osteon-reading/1'"),
        ("schema", None, "expected 'osteon-reading/1'"),
        ("PatientName", "Doe", "PatientName"),
        ("findings", {}, "findings"),
        ("findings/0/score", 1.5, "findings/0/score.*maximum"),
        ("findings/0/number", 2, "findings/0/number"),
        ("findings/0/box/x1", -5, "x0 < x1"),
        ("findings/0/centre_mm", [1, 2], "centre_mm"),
        ("findings/0/tracking_uid", "../../etc", "tracking_uid"),
        ("findings/0/volume_mm3", "12", "volume_mm3"),
        ("patient/age_years", -1, "age_years"),
        ("provenance/timings_s", {"load": "fast"}, "timings_s/load"),
        ("warnings", [1], "warnings/0"),
    ],
)
def test_bad_documents_are_refused_by_key(tmp_path: Path, key: str, value: Any, message: str) -> None:
    document = reading_document(make_example(1).reading)
    *parents, last = [int(part) if part.isdigit() else part for part in key.split("/")]
    place: Any = document
    for part in parents:
        place = place[part]
    place[last] = value
    (tmp_path / "reading.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=rf"reading\.json: .*{message}"):
        read_reading(tmp_path / "reading.json")


@pytest.mark.parametrize("text", ["", "[]", "3", '{"schema": "osteon-reading/1"}'])
def test_other_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "reading.json").write_text(text)
    with pytest.raises(InputError, match=r"reading\.json"):
        read_reading(tmp_path / "reading.json")
