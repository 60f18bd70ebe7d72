"""Prepare batches in a thread while the network learns from the one before."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

Item = TypeVar("Item")
_END = object()


def prefetch(items: Iterable[Item], *, ahead: int) -> Generator[Item, None, None]:
    """Yield ``items`` in order, with up to ``ahead`` of them made beforehand by one background thread.

    An error in the thread is raised here. Closing the generator early ends the thread after the item it works on. One
    thread alone draws from ``items``, so that a random generator inside stays repeatable; torch's global generator,
    which the network shares, must not be drawn from there.

    Args:
        items: what makes the items as it is iterated.
        ahead: 0 for no thread.
    """
    if ahead == 0:
        yield from items
        return
    ready: queue.Queue[Any] = queue.Queue(maxsize=ahead)
    stop = threading.Event()
    thread = threading.Thread(target=_work, args=(items, ready, stop), name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
    finally:
        stop.set()
        thread.join()


def _work(items: Iterable[Any], ready: queue.Queue[Any], stop: threading.Event) -> None:
    try:
        for item in items:
            _offer((item, None), ready, stop)
            if stop.is_set():
                return
        _offer((_END, None), ready, stop)
    except BaseException as error:  # handed over to the consumer, whatever it is
        _offer((None, error), ready, stop)


def _offer(entry: tuple[Any, BaseException | None], ready: queue.Queue[Any], stop: threading.Event) -> None:
    """Put an entry as soon as there is room, or give up when nobody wants it any more."""
    while not stop.is_set():
        try:
            ready.put(entry, timeout=0.1)
            return
        except queue.Full:
            continue
