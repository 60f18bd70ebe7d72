"""How long the command takes to answer: `osteon --help` and `import osteon`, against an empty Python.

python benchmarks/startup.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 9
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import osteon": [sys.executable, "-c", "import osteon"],
    "osteon --help": [sys.executable, "-m", "osteon.cli.main", "--help"],
    "import typer, rich": [sys.executable, "-c", "import typer, rich.console"],
}


def main() -> None:
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(RUNS):
        for name, command in COMMANDS.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds[name].append(time.perf_counter() - started)
    floor = statistics.median(seconds["python -c pass"])
    for name, values in seconds.items():
        middle = statistics.median(values)
        print(f"{name:20s} median {middle:.3f} s (min {min(values):.3f}), {middle / floor:.1f} x an empty Python")


if __name__ == "__main__":
    main()
