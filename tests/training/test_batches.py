from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from osteon.training.batches import prefetch

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize("ahead", [0, 1, 4])
def test_order_is_kept(ahead: int) -> None:
    assert list(prefetch(range(20), ahead=ahead)) == list(range(20))


def test_items_may_be_none() -> None:
    assert list(prefetch([None, 1, None], ahead=2)) == [None, 1, None]


@pytest.mark.parametrize("ahead", [0, 2])
def test_error_arrives_after_the_items_before_it(ahead: int) -> None:
    def broken() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("slice 3")

    items = prefetch(broken(), ahead=ahead)
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(ValueError, match="slice 3"):
        next(items)


def test_closing_ends_the_thread() -> None:
    def endless() -> Iterator[int]:
        while True:
            yield 0

    items = prefetch(endless(), ahead=2)
    next(items)
    assert any(thread.name == "prefetch" for thread in threading.enumerate())
    items.close()
    assert not any(thread.name == "prefetch" for thread in threading.enumerate())


def test_items_are_made_before_they_are_asked_for() -> None:
    made = threading.Event()

    def items() -> Iterator[int]:
        yield 0
        made.set()
        yield 1

    waiting = prefetch(items(), ahead=2)
    next(waiting)
    assert made.wait(timeout=10)
    waiting.close()
