"""Stages of a long run, each kept when it is done: a killed run goes on, and independent stages run side by side.

``OUT.run/run.json`` says what the run is of; ``OUT.run/<stage>/stage.json`` appears when that stage is done and holds
what it returned. A stage keeps its large results as files in its folder, and its own way of resuming in there too
(``training.loop.fit`` with ``resume=True``).
"""

from __future__ import annotations

import json
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from osteon.errors import OsteonError, UsageError
from osteon.files import whole_file
from osteon.formats.json_file import read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One piece of work.

    Attributes:
        name: of its folder: small letters, digits and -.
        work: given the folder (made; what a killed try left is in there), returns what JSON can hold.
        needs: names of stages that must be done before.
    """

    name: str
    work: Callable[[Path], dict[str, Any]]
    needs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"stage {self.name!r}: expected small letters, digits and -")


def open_run(out: Path, *, identity: dict[str, Any], resume: bool) -> Path:
    """The folder ``<out>.run``, made or taken up again.

    Args:
        out: of the result.
        identity: all that shapes the result (system, profile, seed, recipe, data); what JSON can hold.
        resume: a run that is there may go on.

    Raises:
        UsageError: a run is there that is another one, or ``resume`` is false.
    """
    run = out.with_name(out.name + ".run")
    path = run / "run.json"
    plain = json.loads(json.dumps(identity))
    if not path.exists():
        if run.exists() and any(run.iterdir()):
            raise UsageError(f"{run.name}: is not empty and holds no run.json; remove it, or choose another --out")
        with whole_file(path) as draft:
            draft.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
        return run
    if not resume:
        raise UsageError(f"{run.name}: holds a run already; go on with --resume, or choose another --out")
    try:
        there = read_json(path, finite=False)
    except OsteonError:
        there = None
    if not isinstance(there, dict):
        raise UsageError(f"{run.name}: run.json is damaged; remove the folder, or choose another --out")
    other = [key for key in {**there, **plain} if there.get(key) != plain.get(key)]
    if other:
        changes = "; ".join(f"{key} was {_short(there.get(key))}, is {_short(plain.get(key))}" for key in sorted(other))
        raise UsageError(f"{run.name}: cannot go on: {changes}; use the same as before, or choose another --out")
    return run


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def run_stages(
    run: Path,
    stages: Sequence[Stage],
    *,
    only: Sequence[str] = (),
    on_stage: Callable[[int, int, str], None] = lambda done, total, name: None,
) -> tuple[str, ...]:
    """Do what is not done yet, in order.

    Args:
        run: from ``open_run``.
        stages: in an order in which every stage comes after what it needs.
        only: names of the stages to do; () for all.
        on_stage: called with (done, total, name) after each.

    Returns:
        Names of the stages that were done now.

    Raises:
        UsageError: an unknown name in ``only``, one whose needs are not done, or one on which another process works.
    """
    unknown = [name for name in only if name not in {stage.name for stage in stages}]
    if unknown:
        raise UsageError(f"stage {unknown[0]!r}: expected one of {', '.join(stage.name for stage in stages)}")
    chosen = [stage for stage in stages if not only or stage.name in only]
    done = []
    for number, stage in enumerate(chosen, start=1):
        if not is_done(run, stage.name):
            missing = [name for name in stage.needs if not is_done(run, name)]
            if missing:
                raise UsageError(f"stage {stage.name}: first do {', '.join(missing)}")
            _do(run, stage)
            done.append(stage.name)
        on_stage(number, len(chosen), stage.name)
    return tuple(done)


def _do(run: Path, stage: Stage) -> None:
    folder = run / stage.name
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder, stage.name):
        if is_done(run, stage.name):  # by another process, between the question and the lock
            return
        started = time.perf_counter()
        facts = stage.work(folder)
        document = {"facts": facts, "seconds": round(time.perf_counter() - started, 1)}
        with whole_file(folder / "stage.json") as draft:
            draft.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")


@contextmanager
def _alone(folder: Path, name: str) -> Iterator[None]:
    """Keep other processes from the same stage; the lock goes with the process, however it ends."""
    with (folder / ".lock").open("w") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # a system without flock: two processes must then be kept apart by hand
            pass
        except OSError:
            raise UsageError(f"stage {name}: another process works on it; wait for it, or choose another") from None
        yield


def is_done(run: Path, name: str) -> bool:
    """Whether a stage is done."""
    return (run / name / "stage.json").is_file()


def stage_facts(run: Path, name: str) -> dict[str, Any]:
    """What a stage returned.

    Raises:
        UsageError: it is not done, or its file is damaged.
    """
    return _document(run, name)["facts"]  # type: ignore[no-any-return]


def stage_seconds(run: Path, stages: Sequence[Stage]) -> dict[str, float]:
    """Seconds of every stage that is done; of one that was killed and resumed, of its last part."""
    return {stage.name: float(_document(run, stage.name)["seconds"]) for stage in stages if is_done(run, stage.name)}


def _document(run: Path, name: str) -> dict[str, Any]:
    if not is_done(run, name):
        raise UsageError(f"{run.name}: stage {name} is not done")
    try:
        document = read_json(run / name / "stage.json")
        if not isinstance(document["facts"], dict):
            raise TypeError
        float(document["seconds"])
    except (OsteonError, KeyError, TypeError, ValueError):
        raise UsageError(f"{run.name}/{name}/stage.json: damaged; remove that folder and go on with --resume") from None
    return document  # type: ignore[no-any-return]
