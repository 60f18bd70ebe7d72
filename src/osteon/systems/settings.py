"""Settings from TOML into a system's frozen configuration: unknown keys, wrong types and impossible values refused."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, get_type_hints

from osteon.errors import UsageError

Config = TypeVar("Config")


def configure(config: Config, values: dict[str, Any], *, where: str = "") -> Config:
    """Replace values of a (nested) config dataclass from a plain dictionary, as TOML gives it.

    Raises:
        UsageError: an unknown key, a value of another type or an impossible one, named with what is accepted.
    """
    hints = get_type_hints(type(config))
    known = {item.name for item in fields(config)}  # type: ignore[arg-type]
    changes: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{where}{key}"
        if key not in known:
            raise UsageError(f"config key {name!r} is unknown; accepted: {', '.join(sorted(known))}")
        current = getattr(config, key)
        if is_dataclass(current) and not isinstance(current, type):
            if not isinstance(value, dict):
                raise UsageError(f"config key {name!r}: expected a table of keys, found {value!r}")
            changes[key] = configure(current, value, where=f"{name}.")
        else:
            changes[key] = _converted(value, current, name=name, hint=hints[key])
    return replace(config, **changes)  # type: ignore[type-var]


def _converted(value: Any, current: Any, *, name: str, hint: Any) -> Any:
    if isinstance(current, bool) or isinstance(value, bool):
        good = isinstance(current, bool) and isinstance(value, bool)
    elif isinstance(current, tuple):
        good, value = _converted_tuple(value, current)
    elif isinstance(current, float):
        good = isinstance(value, int | float)
        value = float(value) if good else value
    else:
        good = isinstance(value, type(current))
    if not good:
        raise UsageError(f"config key {name!r}: expected {hint}, found {value!r}")
    return value


def _converted_tuple(value: Any, current: tuple[Any, ...]) -> tuple[bool, Any]:
    """A list as a tuple of what ``current`` holds: texts, whole numbers or numbers."""
    kind = type(current[0]) if current else int
    accepted = int | float if kind is float else kind
    good = isinstance(value, list | tuple) and all(isinstance(v, accepted) and not isinstance(v, bool) for v in value)
    return good, tuple(kind(v) for v in value) if good else value


def check_choice(name: str, value: str, accepted: tuple[str, ...]) -> None:
    """Refuse a text that is not one of the accepted ones.

    Raises:
        UsageError: it is not.
    """
    if value not in accepted:
        raise wrong(name, value, f"one of {', '.join(accepted)}")


def check_range(name: str, value: float, *, low: float, high: float = math.inf, above: bool = False) -> None:
    """Refuse a number outside its range; ``above``: the lowest value itself is refused.

    Raises:
        UsageError: it is outside.
    """
    if not (math.isfinite(value) and low <= value <= high) or (above and value == low):
        wanted = f"a number above {low:g}" if above else f"a number from {low:g}"
        raise wrong(name, value, wanted + (f" to {high:g}" if math.isfinite(high) else ""))


def wrong(name: str, value: object, accepted: str) -> UsageError:
    """The error for a value that cannot be."""
    return UsageError(f"config key {name!r}: {value!r}; expected {accepted}")
