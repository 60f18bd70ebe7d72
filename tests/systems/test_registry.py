"""Every system offers what the command line asks for, under the same names, and costs nothing until it is used."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from osteon.errors import UsageError
from osteon.systems.protocol import ReproduceOptions, System
from osteon.systems.registry import SYSTEMS, get_system

FUNCTIONS = [name for name, value in vars(System).items() if inspect.isfunction(value) and not name.startswith("_")]
HEAVY = {"torch", "scipy", "pydicom", "matplotlib", "monai", "SimpleITK", "cv2", "sklearn"}


def test_the_protocol_has_the_verbs() -> None:
    assert {"train", "load_model", "read_study", "evaluate", "reproduce"} <= set(FUNCTIONS)


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_system_has_every_function_with_the_parameters_of_the_protocol(name: str, function: str) -> None:
    wanted = list(inspect.signature(getattr(System, function)).parameters.values())[1:]  # without self
    found = list(inspect.signature(getattr(get_system(name), function)).parameters.values())
    assert [(one.name, one.kind) for one in found] == [(one.name, one.kind) for one in wanted]


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_reads_ct_or_mr(name: str) -> None:
    assert get_system(name).MODALITY in ("CT", "MR")


def test_importing_all_systems_loads_nothing_heavy() -> None:
    code = (
        "import sys; from osteon.systems.registry import SYSTEMS, get_system\n"
        "for name in SYSTEMS: get_system(name)\n"
        "print(' '.join({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "osteon" in done.stdout.split()
    assert not HEAVY & set(done.stdout.split())


def test_an_unknown_system_is_named() -> None:
    with pytest.raises(UsageError, match=r"'elbow'.*lytic"):
        get_system("elbow")


@pytest.mark.parametrize("wrong", [{"profile": "medium"}, {"seed": -1}])
def test_impossible_options_are_named(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"--(profile|seed)"):
        ReproduceOptions(**wrong)  # type: ignore[arg-type]
