"""``reading.json``: a reading as JSON that other programs can use, checked against its schema on both ways.

The schema (JSON Schema, draft 2020-12) is ``reading.schema.json`` beside this module; ``reading_schema()`` returns it.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.errors import InputError, OsteonError
from osteon.formats.json_file import read_json, write_json
from osteon.records import Box, Finding, Patient, Provenance, Reading

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = "osteon-reading/1"


@cache
def _schema_text() -> str:
    return files("osteon.formats").joinpath("reading.schema.json").read_text(encoding="utf-8")


def reading_schema() -> dict[str, Any]:
    """The JSON Schema of ``reading.json`` as a new dictionary."""
    schema: dict[str, Any] = json.loads(_schema_text())
    return schema


def reading_document(reading: Reading) -> dict[str, Any]:
    """A reading as plain JSON values, checked against the schema.

    Raises:
        InputError: a value that the schema refuses, NaN and infinity among them.
    """
    document: dict[str, Any] = {"schema": SCHEMA} | _plain(asdict(reading))
    for entry in document["findings"]:
        if entry["series_uid"] is None:  # of the reading's own series
            del entry["series_uid"]
    _check(document, where="reading")
    return document


def write_reading(path: Path, reading: Reading) -> None:
    """Write ``reading.json``, whole or not at all.

    Raises:
        InputError: a value that the schema refuses, NaN and infinity among them.
    """
    write_json(path, reading_document(reading))


def read_reading(path: Path) -> Reading:
    """Read ``reading.json``.

    Raises:
        InputError: not JSON, of another version, or against the schema; the message names the key.
    """
    document = read_json(path)
    if isinstance(document, dict) and document.get("schema") != SCHEMA:
        raise InputError(
            f"{path.name}: schema {str(document.get('schema'))[:40]!r}, expected {SCHEMA!r}; "
            "read it with the version of osteon that wrote it"
        )
    _check(document, where=path.name)
    try:
        return _reading(document)
    except OsteonError as error:
        raise InputError(f"{path.name}: {error}") from error


def _plain(value: Any) -> Any:
    """NumPy scalars and arrays, tuples and nested dataclass dictionaries as JSON values."""
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, (np.generic, np.ndarray)):
        return _plain(value.tolist())
    return value


def _check(document: Any, *, where: str) -> None:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    problem = best_match(Draft202012Validator(reading_schema()).iter_errors(document))
    if problem is not None:
        key = "/".join(str(part) for part in problem.absolute_path) or "the document"
        raise InputError(f"{where}: {key}: {problem.message[:300]}")
    for number, entry in enumerate(document["findings"], start=1):
        if entry["number"] != number:
            raise InputError(f"{where}: findings/{number - 1}/number is {entry['number']}; expected {number}")
    if not _finite(document):
        raise InputError(f"{where}: holds NaN or infinity; expected finite numbers, or null where a value is unknown")


def _finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_finite(entry) for entry in value.values())
    if isinstance(value, list):
        return all(_finite(entry) for entry in value)
    return not isinstance(value, float) or bool(np.isfinite(value))


def _reading(document: dict[str, Any]) -> Reading:
    findings = tuple(
        Finding(**(entry | {"box": Box(**entry["box"]), "centre_mm": tuple(entry["centre_mm"])}))
        for entry in document["findings"]
    )
    return Reading(
        system=document["system"],
        study_uid=document["study_uid"],
        series_uid=document["series_uid"],
        findings=findings,
        verdicts=document["verdicts"],
        operating_point=document["operating_point"],
        provenance=Provenance(**document["provenance"]),
        patient=Patient(**document["patient"]),
        warnings=tuple(document["warnings"]),
    )
