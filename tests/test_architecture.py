"""The shape of the source, read and not run: which layer may import which, no cycles, file sizes, names."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "osteon"

# Low to high; names on one line are siblings, which do not import each other. `report` lies below `systems`: a page is
# drawn from records and figures alone, and a system hands them over. `formats` lies below `dicom`, whose scan takes
# NIfTI files as well.
LAYERS = (
    ("errors",),
    ("geometry",),
    ("records",),
    ("files",),
    ("formats", "imaging", "evaluation"),
    ("dicom",),
    ("cohort",),
    ("phantom", "networks"),
    ("training",),
    ("inference",),
    ("report",),
    ("systems",),
    ("cli",),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
EVALUATION_MAY_IMPORT = {"osteon.errors", "osteon.evaluation"}
EVALUATION_LIBRARIES = {"numpy", "scipy"}
MOST_LINES = 450
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers"}


def module_name(path: Path) -> str:
    parts = ("osteon", *path.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(SOURCE.rglob("*.py"))}


@cache
def imports_of(module: str) -> tuple[tuple[str, int], ...]:
    """Every imported module with its line: at the top, inside functions and under TYPE_CHECKING alike."""
    found = []
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = absolute(module, node)
            whole = [f"{base}.{alias.name}" for alias in node.names]
            found += [(name if name in MODULES else base, node.lineno) for name in whole]
    return tuple(found)


def absolute(module: str, node: ast.ImportFrom) -> str:
    """The module that ``from ... import`` names, leading dots resolved."""
    if node.level == 0:
        return node.module or ""
    package = module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]
    for _ in range(node.level - 1):
        package = package.rpartition(".")[0]
    return f"{package}.{node.module}" if node.module else package


def layer_of(module: str) -> str:
    """The part of ``osteon.<part>...``; empty for ``osteon`` itself, which everybody may import (the version)."""
    return [*module.split("."), ""][1]


def forbidden(importer: str, imported: str) -> bool:
    """Whether one layer must not import another."""
    if imported in ("", importer):
        return False
    return importer == "" or RANK[imported] >= RANK[importer]


def test_every_module_belongs_to_a_layer() -> None:
    assert {layer_of(name) for name in MODULES} - {""} == {*RANK} & {layer_of(name) for name in MODULES}
    assert len(RANK) == sum(len(names) for names in LAYERS)


def test_the_rule_refuses_upward_and_sideways_imports_and_no_others() -> None:
    assert forbidden("dicom", "cli")
    assert forbidden("errors", "geometry")
    assert forbidden("phantom", "networks")
    assert forbidden("", "errors")
    assert not forbidden("cli", "errors")
    assert not forbidden("dicom", "dicom")
    assert not forbidden("report", "")


def test_lower_layers_never_import_higher_ones() -> None:
    wrong = [
        f"{module}:{line} imports {target}"
        for module in MODULES
        for target, line in imports_of(module)
        if target.split(".")[0] == "osteon" and forbidden(layer_of(module), layer_of(target))
    ]
    assert not wrong


def test_imports_inside_functions_and_type_checking_blocks_are_seen() -> None:
    """Guards the guard: known examples of both kinds must be among what is found."""
    assert "osteon.formats.nifti" in {name for name, _ in imports_of("osteon.dicom.series")}
    assert "osteon.records" in {name for name, _ in imports_of("osteon.dicom.roles")}


def test_no_import_cycles() -> None:
    graph = {module: {name for name, _ in imports_of(module) if name in MODULES} - {module} for module in MODULES}
    for module in graph:  # a package is imported before its modules, and may gather them
        graph[module] -= {module.rpartition(".")[0]}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other: {' -> '.join(error.args[1])}")


def test_evaluation_is_pure() -> None:
    """Numbers in, numbers out: nothing of osteon but its errors, no torch, no files."""
    allowed = EVALUATION_LIBRARIES | (
        sys.stdlib_module_names - {"io", "os", "pathlib", "shutil", "subprocess", "tempfile"}
    )
    wrong = [
        f"{module}:{line} imports {target}"
        for module in MODULES
        if layer_of(module) == "evaluation"
        for target, line in imports_of(module)
        if target.split(".")[0] not in allowed and ".".join(target.split(".")[:2]) not in EVALUATION_MAY_IMPORT
    ]
    assert not wrong


def test_files_are_short() -> None:
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}
    assert not {name: count for name, count in lines.items() if count > MOST_LINES}
    assert len(lines) > 100  # the source was found


def test_names_say_what_is_inside() -> None:
    assert not {part for name in MODULES for part in name.split(".") if part in VAGUE_NAMES}


def test_import_osteon_loads_no_library_and_prints_nothing() -> None:
    code = "import sys, osteon; sys.stderr.write(' '.join({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "monai", "numpy", "scipy", "pydicom", "matplotlib", "typer", "rich"}
    assert "osteon" in done.stderr.split()
    assert not heavy & set(done.stderr.split())
    assert done.stdout == ""
