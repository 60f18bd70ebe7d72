"""Stages of a long run: done once, taken up again, side by side, and never two at one."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from osteon.errors import UsageError
from osteon.systems.stages import Stage, is_done, open_run, run_stages, stage_facts, stage_seconds

if TYPE_CHECKING:
    from pathlib import Path

IDENTITY = {"system": "lytic", "seed": 1, "recipe": {"epochs": 2, "sizes": (1, 2)}}


class Counted:
    """Work that can be told to fail, and counts how often it was begun."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.fails = ""

    def stage(self, name: str, *needs: str) -> Stage:
        def work(folder: Path) -> dict[str, Any]:
            self.begun.append(name)
            (folder / "large").write_text(name)
            if self.fails == name:
                raise KeyboardInterrupt
            return {"value": len(self.begun)}

        return Stage(name=name, work=work, needs=needs)


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return open_run(tmp_path / "out", identity=IDENTITY, resume=False)


def test_what_is_done_is_not_done_again(run: Path, counted: Counted) -> None:
    stages = [counted.stage("a"), counted.stage("b", "a")]
    seen: list[tuple[int, int, str]] = []
    assert run_stages(run, stages, on_stage=lambda *told: seen.append(told)) == ("a", "b")
    assert run_stages(run, stages) == ()
    assert counted.begun == ["a", "b"]
    assert stage_facts(run, "b") == {"value": 2}
    assert seen == [(1, 2, "a"), (2, 2, "b")]
    assert set(stage_seconds(run, stages)) == {"a", "b"}


def test_a_stage_that_was_interrupted_is_done_again_with_what_it_left(run: Path, counted: Counted) -> None:
    stages = [counted.stage("a"), counted.stage("b")]
    counted.fails = "b"
    with pytest.raises(KeyboardInterrupt):
        run_stages(run, stages)
    assert is_done(run, "a")
    assert not is_done(run, "b")
    assert (run / "b" / "large").read_text() == "b"
    with pytest.raises(UsageError, match="b is not done"):
        stage_facts(run, "b")
    counted.fails = ""
    assert run_stages(run, stages) == ("b",)
    assert counted.begun == ["a", "b", "b"]


def test_single_stages_in_any_order_that_their_needs_allow(run: Path, counted: Counted) -> None:
    stages = [counted.stage("a"), counted.stage("b", "a"), counted.stage("c", "a")]
    with pytest.raises(UsageError, match="stage c: first do a"):
        run_stages(run, stages, only=["c"])
    assert run_stages(run, stages, only=["a"]) == ("a",)
    assert run_stages(run, stages, only=["c"]) == ("c",)
    with pytest.raises(UsageError, match=r"'d'.*a, b, c"):
        run_stages(run, stages, only=["d"])
    assert run_stages(run, stages) == ("b",)


def test_a_stage_on_which_another_process_works_is_left_alone(run: Path, counted: Counted) -> None:
    (run / "a").mkdir()
    hold = (
        "import fcntl, sys; file = open(sys.argv[1], 'w'); fcntl.flock(file, fcntl.LOCK_EX)\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", hold, str(run / "a" / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match="another process"):
            run_stages(run, [counted.stage("a")])
        other.kill()  # the lock goes with it
    assert run_stages(run, [counted.stage("a")]) == ("a",)


def test_a_run_goes_on_only_if_asked_and_only_as_the_same(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = open_run(out, identity=IDENTITY, resume=False)
    with pytest.raises(UsageError, match="--resume"):
        open_run(out, identity=IDENTITY, resume=False)
    assert open_run(out, identity=IDENTITY, resume=True) == run
    with pytest.raises(UsageError, match="seed was 1, is 2"):
        open_run(out, identity=IDENTITY | {"seed": 2}, resume=True)
    for damage in ("{", "[" * 100_000, "9" * 5000):
        (run / "run.json").write_text(damage)
        with pytest.raises(UsageError, match="damaged"):
            open_run(out, identity=IDENTITY, resume=True)


def test_a_folder_of_something_else_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "out.run").mkdir()
    (tmp_path / "out.run" / "thesis.txt").write_text("kept")
    with pytest.raises(UsageError, match=r"run\.json"):
        open_run(tmp_path / "out", identity=IDENTITY, resume=True)
    assert [path.name for path in (tmp_path / "out.run").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, '{"facts": 3, "seconds": 1}', '{"facts": {}}'])
def test_a_damaged_stage_is_named(run: Path, text: str) -> None:
    (run / "a").mkdir()
    (run / "a" / "stage.json").write_text(text)
    with pytest.raises(UsageError, match=r"a/stage\.json"):
        stage_facts(run, "a")


def test_what_json_cannot_hold_is_no_result(run: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        run_stages(run, [Stage(name="a", work=lambda folder: {"value": float("nan")})])
    assert not is_done(run, "a")


@pytest.mark.parametrize("name", ["", "A", "../a", "a/b", "-a"])
def test_a_name_is_a_folder_s(name: str) -> None:
    with pytest.raises(ValueError, match="stage"):
        Stage(name=name, work=lambda folder: {})


def test_the_identity_can_be_read(run: Path) -> None:
    assert json.loads((run / "run.json").read_text())["recipe"] == {"epochs": 2, "sizes": [1, 2]}
