from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import osteon.evaluation

HEAVY = ("torch", "pydicom", "monai", "SimpleITK", "nibabel", "matplotlib")


def test_evaluation_needs_no_heavy_library():
    folder = Path(osteon.evaluation.__path__[0])
    names = sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
    assert "froc" in names
    code = f"""
import importlib, sys
for name in {names!r}:
    importlib.import_module(f"osteon.evaluation.{{name}}")
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
