"""JSON from outside: bounded in size, no NaN, one clear error; and JSON of ours, written whole."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from osteon.errors import InputError, LimitError
from osteon.files import whole_file

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 256 * 2**20


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is too large a number")
    return value


def read_json(path: Path, *, max_bytes: int = MAX_BYTES, finite: bool = True) -> Any:
    """Read one JSON document.

    Args:
        path: the file.
        max_bytes: longest that is read.
        finite: refuse NaN and infinity; otherwise the caller says where they stand.

    Raises:
        InputError: missing, no file, not UTF-8, not JSON, nested too deeply, with a whole number of thousands of
            digits, or holding NaN or infinity where refused.
        LimitError: longer than ``max_bytes``.
    """
    try:
        if not path.is_file():  # a folder; a pipe, which would be waited for
            raise InputError(f"{path.name}: {'no file' if path.exists() else 'missing'}; expected JSON; check the path")
        size = path.stat().st_size
        if size > max_bytes:
            raise LimitError(f"{path.name}: {size} bytes of JSON; at most {max_bytes} are read")
        text = path.read_text(encoding="utf-8")
        if not finite:
            return json.loads(text)
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read ({error.strerror}); check the path") from error
    except RecursionError as error:
        raise InputError(f"{path.name}: not a JSON document (nested too deeply); export it again") from error
    except ValueError as error:
        why = "a number of thousands of digits" if "integer string conversion" in str(error) else error
        raise InputError(f"{path.name}: not a JSON document ({why}); export it again") from error


def write_json(path: Path, document: Any) -> None:
    """Write a document, indented, without NaN, to a temporary name that is then renamed.

    Raises:
        InputError: a number is not finite, or a value has no form in JSON.
    """
    try:
        text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    except (ValueError, TypeError) as error:
        raise InputError(f"{path.name}: cannot be written as JSON ({error})") from error
    with whole_file(path) as draft:
        draft.write_text(text + "\n", encoding="utf-8")
