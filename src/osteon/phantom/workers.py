"""Work in several processes that end when the process that started them does, and in threads of one.

Patients are shared among processes. Where there are fewer patients than jobs, the jobs left over are threads that work
ahead inside each patient (``ahead``); NumPy, SciPy and OpenCV let them run at the same time.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from contextvars import ContextVar
from multiprocessing import connection, get_context, parent_process
from typing import TYPE_CHECKING, TypeVar

import cv2

from osteon.errors import LimitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future

Item = TypeVar("Item")
Result = TypeVar("Result")
_THREADS: ContextVar[int] = ContextVar("threads", default=1)
_MOST_THREADS = 4
"""Of one patient: more would wait for noise and files, which are made in order, and hold memory."""


def in_order(function: Callable[[Item], Result], items: Sequence[Item], *, jobs: int) -> Iterator[Result]:
    """Yield ``function(item)`` in the order of ``items``, worked out in ``jobs`` processes, or here if that is 1.

    Args:
        function: a module's function; it, items and results must be picklable.
        items: arguments.
        jobs: processes at most; with fewer items than that, each process may use the threads left over.

    Raises:
        LimitError: a process was ended from outside, as systems do when memory runs out.
    """
    processes = max(1, min(jobs, len(items)))
    threads = max(1, min(_MOST_THREADS, jobs // processes))
    if processes == 1:
        for item in items:
            with using_threads(threads):
                result = function(item)
            yield result
        return
    # spawn: a forked child of a process that runs threads (OpenCV, torch) can hang
    pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_start, initargs=(threads,))
    try:
        yield from pool.map(function, items)
    except BrokenProcessPool as error:
        raise LimitError(
            f"one of {jobs} processes ended without a word, most likely for lack of memory; use fewer (--jobs 1)"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def using_threads(count: int) -> Iterator[None]:
    """What runs inside may work in ``count`` threads (1 without this); whatever it makes stays the same."""
    before = _THREADS.set(count)
    try:
        yield
    finally:
        _THREADS.reset(before)


def ahead(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield ``function(item)`` in the order of ``items``, worked out ahead in the threads of ``using_threads``.

    At most as many results as there are threads wait to be taken, so memory is bounded. With one thread nothing is
    worked out before it is asked for.

    Args:
        function: spends its time where other threads can run (NumPy, OpenCV, files); depends on its item alone.
        items: arguments; looked at in the caller's thread.
    """
    threads = _THREADS.get()
    if threads <= 1:
        yield from map(function, items)
        return
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for late in waiting:
                late.cancel()


def _start(threads: int) -> None:
    """Begin a worker: quiet on Ctrl-C, its share of threads, and an end as soon as the parent is gone."""
    _THREADS.set(threads)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    cv2.setNumThreads(1)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    """Without this, the workers of a killed parent would work off what is queued and then wait for ever."""
    connection.wait([sentinel])
    os._exit(1)
