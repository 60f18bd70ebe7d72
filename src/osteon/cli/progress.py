"""Progress bars on stderr; library code reports through the callables given here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

log = logging.getLogger(__name__)
COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())


def _bar() -> Progress:
    console = Console(stderr=True)
    return Progress(*COLUMNS, console=console, disable=not console.is_terminal, transient=True)


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int, str], None]]:
    """Show a bar on stderr (nothing where stderr is no terminal) and yield ``report(done, total, text)``."""
    bar = _bar()
    task: Any = None

    def report(done: int, total: int, text: str) -> None:
        nonlocal task
        if task is None:
            bar.start()
            task = bar.add_task(title, total=total)
        bar.update(task, completed=done, total=total, description=f"{title} {text}")
        if done == total:
            bar.stop()
            bar.remove_task(task)
            task = None

    try:
        yield report
    finally:
        bar.stop()


@contextmanager
def step_bar(title: str) -> Iterator[Callable[[str, Any], None]]:
    """Yield ``report(stage, training.loop.Progress)``: a bar of steps, and a line for every epoch."""
    with progress_bar(title) as report:

        def step(stage: str, progress: Any) -> None:
            total = progress.epochs * progress.steps
            done = (progress.epoch - 1) * progress.steps + progress.step
            losses = " ".join(f"{name} {value:.4f}" for name, value in progress.losses.items())
            if progress.metrics is None:
                report(min(done, total - 1), total, f"{stage}, epoch {progress.epoch}, {losses}")
                return
            scores = " ".join(f"{name} {value:.4f}" for name, value in progress.metrics.items() if value is not None)
            Console(stderr=True, highlight=False).print(
                f"{stage}, epoch {progress.epoch}/{progress.epochs}: {losses} {scores}", soft_wrap=True
            )
            if progress.epoch == progress.epochs:
                report(total, total, stage)

        yield step
