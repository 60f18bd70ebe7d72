"""Recipes that ship with osteon: TOML files of settings, each choice with its reason beside it."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import TYPE_CHECKING, Any

from osteon.errors import UsageError

if TYPE_CHECKING:
    from osteon.systems.protocol import ReproduceOptions


def recipe_names(system: str) -> tuple[str, ...]:
    """Names of the recipes of one system: "published" for ``recipes/<system>-published.toml``."""
    files = (file.name for file in resources.files("osteon").joinpath("recipes").iterdir())
    return tuple(sorted(n[len(system) + 1 : -5] for n in files if n.startswith(f"{system}-") and n.endswith(".toml")))


def load_recipe(system: str, name: str) -> dict[str, Any]:
    """Settings of one recipe.

    Raises:
        UsageError: the system has no recipe of this name.
    """
    known = recipe_names(system)
    if name not in known:
        raise UsageError(f"--recipe {name!r}: {system} has {', '.join(known) if known else 'no recipes'}")
    file = resources.files("osteon").joinpath("recipes", f"{system}-{name}.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))


def study_settings(system: str, options: ReproduceOptions) -> dict[str, Any]:
    """Settings of a study: ``published``, over it ``published-small`` in profile small, over that the caller's.

    Raises:
        UsageError: the system has no such recipes.
    """
    values = load_recipe(system, "published")["study"]
    if options.profile == "small":
        values = merged(values, load_recipe(system, "published-small")["study"])
    return merged(values, options.settings)


def merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """``over`` put over ``under``, table by table; neither is changed."""
    both = dict(under)
    for key, value in over.items():
        there = both.get(key)
        both[key] = merged(there, value) if isinstance(there, dict) and isinstance(value, dict) else value
    return both
