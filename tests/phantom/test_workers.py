from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from osteon.errors import LimitError
from osteon.phantom.workers import ahead, in_order, using_threads

if TYPE_CHECKING:
    from collections.abc import Iterator


def square(value: int) -> int:
    return value * value


def slow_first(value: int) -> tuple[int, int]:
    time.sleep(0.3 if value == 0 else 0.0)
    return value, os.getpid()


def fails_at_two(value: int) -> int:
    if value == 2:
        raise ValueError("two")
    return value


def dies(value: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return value


def threads_used(value: int) -> tuple[int, int]:
    """How many threads work at once on three things that wait for each other, at most half a second."""
    meeting = threading.Barrier(3)

    def meet(_: int) -> int:
        try:
            meeting.wait(0.5)
        except threading.BrokenBarrierError:
            return 0
        return 1

    return value, sum(ahead(meet, range(3)))


def note_and_sleep(path: Path) -> None:
    path.write_text(str(os.getpid()))
    time.sleep(120)


def test_one_job_runs_here() -> None:
    assert list(in_order(slow_first, [1, 2], jobs=1)) == [(1, os.getpid()), (2, os.getpid())]
    assert list(in_order(square, [], jobs=4)) == []


def test_results_come_in_order_from_other_processes() -> None:
    results = list(in_order(slow_first, [0, 1, 2, 3], jobs=2))
    assert [value for value, _ in results] == [0, 1, 2, 3]
    assert os.getpid() not in {pid for _, pid in results}


def test_an_error_comes_after_the_results_before_it() -> None:
    results = in_order(fails_at_two, [0, 1, 2, 3, 4, 5], jobs=2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(results)


def test_a_worker_that_is_killed_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(LimitError, match=r"memory.*--jobs 1"):
        list(in_order(dies, [1, 2], jobs=2))


def test_without_leave_nothing_is_worked_out_ahead() -> None:
    asked: list[int] = []
    results = ahead(lambda value: asked.append(value) or value, range(5))
    assert next(results) == 0
    assert asked == [0]


def test_threads_work_ahead_in_order_and_not_far() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for value in range(12):
            taken.append(value)
            yield value

    with using_threads(3):
        results = ahead(slow_first, items())
        assert next(results)[0] == 0
        assert len(taken) <= 4
        assert [value for value, _ in results] == list(range(1, 12))


def test_an_error_in_a_thread_comes_in_its_place() -> None:
    with using_threads(2):
        results = ahead(fails_at_two, range(6))
        assert [next(results), next(results)] == [0, 1]
        with pytest.raises(ValueError, match="two"):
            next(results)


def test_jobs_left_over_are_threads() -> None:
    assert list(in_order(threads_used, [7], jobs=3)) == [(7, 3)]
    assert list(in_order(threads_used, [7], jobs=1)) == [(7, 0)]
    assert list(in_order(threads_used, [7, 8], jobs=6)) == [(7, 3), (8, 3)]
    assert threads_used(1) == (1, 0)  # nothing of it stays


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to look at processes")
def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    notes = [tmp_path / name for name in "ab"]
    code = (
        "import sys; from pathlib import Path\n"
        "from tests.phantom.test_workers import note_and_sleep\n"
        "from osteon.phantom.workers import in_order\n"
        "if __name__ == '__main__':\n"
        " list(in_order(note_and_sleep, [Path(p) for p in sys.argv[1:]], jobs=2))\n"
    )
    script = tmp_path / "parent.py"
    script.write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    parent = subprocess.Popen([sys.executable, script, *notes], env=environment, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: all(note.exists() and note.read_text() for note in notes))
        workers = [int(note.read_text()) for note in notes]
        assert all(alive(pid) for pid in workers)
    finally:
        parent.kill()
        parent.wait()
    wait_for(lambda: not any(alive(pid) for pid in workers))


def wait_for(condition: object, seconds: float = 90.0) -> None:
    """Long enough for a busy machine; a worker on its own would stay for two minutes."""
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
