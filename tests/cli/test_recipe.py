"""``osteon train --recipe``: the recipe under --config under --set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from osteon.cli.main import build_app
from osteon.cohort.manifest import Cohort, write_cohort
from osteon.errors import UsageError
from osteon.systems.lytic.config import LyticConfig
from osteon.systems.recipes import load_recipe
from osteon.systems.settings import configure

if TYPE_CHECKING:
    from pathlib import Path


class EnoughError(Exception):
    """Training is not what is tested here."""


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    def train(*arguments: Any, **options: Any) -> None:
        seen.update(options["settings"])
        raise EnoughError

    monkeypatch.setattr("osteon.systems.lytic.system.train", train)
    return seen


def test_set_wins_over_config_over_recipe(tmp_path: Path, told: dict[str, Any]) -> None:
    write_cohort(Cohort(root=tmp_path, name="c", modality="CT", system="lytic", cases=()))
    (tmp_path / "own.toml").write_text("[detector]\nmembers = 2\nepochs = 7\n")
    answer = CliRunner().invoke(
        build_app(),
        [
            *("train", "lytic", str(tmp_path), "--out", str(tmp_path / "out"), "--recipe", "published"),
            *("--config", str(tmp_path / "own.toml"), "--set", "detector.epochs=9"),
        ],
    )
    assert isinstance(answer.exception, EnoughError)
    assert (told["detector"]["size"], told["detector"]["members"], told["detector"]["epochs"]) == ("l", 2, 9)
    assert told["bone"]["dice_only"] is True


def test_an_unknown_recipe_is_wrong_usage(tmp_path: Path) -> None:
    write_cohort(Cohort(root=tmp_path, name="c", modality="CT", system="lytic", cases=()))
    answer = CliRunner().invoke(
        build_app(), ["train", "lytic", str(tmp_path), "--out", str(tmp_path / "out"), "--recipe", "none-such"]
    )
    assert isinstance(answer.exception, UsageError)


def test_the_published_recipe_fits_the_configuration() -> None:
    config = configure(LyticConfig(), load_recipe("lytic", "published")["train"])
    assert (config.bone.dice_only, config.bone.context_mm, config.detector.size) == (True, 0.0, "l")
