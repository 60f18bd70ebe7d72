"""What writing and loading a model has in common for all systems: settings, device, system, what cannot be used."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from osteon.errors import BundleError, OsteonError, UsageError
from osteon.training.bundle import read_bundle
from osteon.training.config import CHOICES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from osteon.training.bundle import ModelBundle


def choose_device(device: str) -> str:
    """Take "auto" as what is there.

    Raises:
        UsageError: an unknown device, or one that is not there.
    """
    import torch

    if device not in CHOICES["device"]:
        raise UsageError(f"device {device!r}: expected one of {', '.join(CHOICES['device'])}")
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise UsageError("device 'cuda' was asked for, but torch sees no GPU; use --device cpu")
    return ("cuda" if there else "cpu") if device == "auto" else device


def shipped_folder(system: str) -> Path:
    """Where the small model of a system that comes with the package is, or would be."""
    return Path(str(resources.files("osteon") / "models" / system))


def bundle_of(folder: Path, system: str) -> ModelBundle:
    """Read and check a bundle of one system.

    Raises:
        BundleError: it is damaged, of another version or of another system.
    """
    bundle = read_bundle(folder)
    if bundle.facts.system != system:
        raise BundleError(f"{folder.name}: a model of system {bundle.facts.system!r}; expected {system!r}")
    return bundle


def unusable(folder: Path, error: Exception) -> BundleError:
    """The error for a bundle whose facts no network can be built from."""
    return BundleError(
        f"{folder.name}: what model.toml says cannot be used ({type(error).__name__}: {error}); train the model "
        "again with this osteon, or use the osteon that made it"
    )


@contextmanager
def usable_facts(folder: Path) -> Iterator[None]:
    """Building networks from the facts of a bundle: whatever is wrong with them becomes a ``BundleError``.

    Raises:
        BundleError: the facts cannot be used.
    """
    try:
        yield
    except BundleError:
        raise
    except (OsteonError, KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise unusable(folder, error) from error


def config_facts(config: Any, *, started_from: str) -> dict[str, Any]:
    """A configuration dataclass as a bundle keeps it: lists for tuples, and nothing of this machine.

    Args:
        config: with the keys "weights" and "device".
        started_from: starting weights in words; a file of them is a path here, so that its name alone goes with the
            model.
    """
    plain: dict[str, Any] = _listed(asdict(config))
    return {**plain, "weights": started_from, "device": "auto"}


def _listed(value: Any) -> Any:
    """Tuples as lists, as TOML has them."""
    if isinstance(value, dict):
        return {key: _listed(one) for key, one in value.items()}
    return [_listed(one) for one in value] if isinstance(value, tuple | list) else value


def trained_on(bundle: ModelBundle, fingerprint: str) -> bool:
    """Whether a scan of this fingerprint was among those of training or validation; False where a bundle has none."""
    known = bundle.facts.training_data.get("fingerprints", ())
    return isinstance(known, list | tuple) and fingerprint in known


def card_warning(training_data: dict[str, Any]) -> str:
    """The first words of a model card."""
    if training_data.get("kind") == "phantom":
        return "**Trained on phantoms only. Not for clinical use.** It has never seen a patient."
    return "**Research software. Not a medical device.** Validate it on your own patients before you rely on it."
