from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from osteon.errors import UsageError
from osteon.systems.settings import check_choice, check_range, configure


@dataclass(frozen=True)
class Inner:
    rate: float = 0.1
    names: tuple[str, ...] = ("a",)
    sizes: tuple[int, ...] = (1, 2)
    ends: tuple[float, ...] = (0.0, 1.0)


@dataclass(frozen=True)
class Outer:
    text: str = "x"
    on: bool = False
    count: int = 3
    inner: Inner = field(default_factory=Inner)


def test_nested_tables_reach_their_dataclass() -> None:
    made = configure(Outer(), {"on": True, "inner": {"rate": 1, "names": ["b", "c"], "sizes": [4], "ends": [1, 2]}})
    assert made == Outer(on=True, inner=Inner(rate=1.0, names=("b", "c"), sizes=(4,), ends=(1.0, 2.0)))
    assert isinstance(made.inner.rate, float)
    assert configure(Outer(), {}) == Outer()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"inner": {"rat": 1}}, "'inner.rat' is unknown; accepted: ends, names, rate, sizes"),
        ({"inner": 3}, "'inner': expected a table of keys, found 3"),
        ({"count": 2.5}, "'count': expected"),
        ({"count": True}, "'count': expected"),
        ({"on": 1}, "'on': expected"),
        ({"text": 1}, "'text': expected"),
        ({"inner": {"sizes": [1.5]}}, "'inner.sizes': expected"),
        ({"inner": {"names": [1]}}, "'inner.names': expected"),
        ({"inner": {"ends": [True, 1]}}, "'inner.ends': expected"),
    ],
)
def test_wrong_keys_and_types_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        configure(Outer(), values)


def test_ranges_and_choices() -> None:
    check_range("a", 0, low=0)
    check_choice("b", "x", ("x", "y"))
    for value, above in ((-1.0, False), (0.0, True), (float("nan"), False), (float("inf"), False), (3.0, False)):
        with pytest.raises(UsageError, match="config key 'a'"):
            check_range("a", value, low=0, high=2, above=above)
    with pytest.raises(UsageError, match="'b': 'z'; expected one of x, y"):
        check_choice("b", "z", ("x", "y"))
