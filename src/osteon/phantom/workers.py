"""Work in several processes that end when the process that started them does."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from typing import TYPE_CHECKING, TypeVar

import cv2

from osteon.errors import LimitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(function: Callable[[Item], Result], items: Sequence[Item], *, jobs: int) -> Iterator[Result]:
    """Yield ``function(item)`` in the order of ``items``, worked out in ``jobs`` processes, or here if that is 1.

    Args:
        function: a module's function; it, items and results must be picklable.
        items: arguments.
        jobs: processes at most.

    Raises:
        LimitError: a process was ended from outside, as systems do when memory runs out.
    """
    if min(jobs, len(items)) <= 1:
        yield from map(function, items)
        return
    # spawn: a forked child of a process that runs threads (OpenCV, torch) can hang
    pool = ProcessPoolExecutor(min(jobs, len(items)), mp_context=get_context("spawn"), initializer=_start)
    try:
        yield from pool.map(function, items)
    except BrokenProcessPool as error:
        raise LimitError(
            f"one of {jobs} processes ended without a word, most likely for lack of memory; use fewer (--jobs 1)"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start() -> None:
    """Begin a worker: quiet on Ctrl-C, one thread, and an end as soon as the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    cv2.setNumThreads(1)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    """Without this, the workers of a killed parent would work off what is queued and then wait for ever."""
    connection.wait([sentinel])
    os._exit(1)
