"""The model bundle: a folder with all that a reading needs, and nothing that can run.

``model.toml`` (facts, and the SHA-256 of every weight file), ``*.safetensors``, ``metrics.json``, ``card.md``.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import tomllib
from dataclasses import asdict, dataclass, field, fields
from importlib import metadata
from typing import TYPE_CHECKING, Any

import tomli_w
import torch

from osteon import __version__
from osteon.errors import BundleError, OsteonError
from osteon.files import whole_folder
from osteon.formats.json_file import read_json
from osteon.training.checkpoint import save_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

SCHEMA = "osteon-model/1"
FACTS, METRICS, CARD = "model.toml", "metrics.json", "card.md"
LIBRARIES = ("torch", "torchvision", "numpy", "opencv-python-headless", "safetensors")
_WEIGHT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_LARGEST_FACTS = 4 * 2**20


def library_versions() -> dict[str, str]:
    """Versions of osteon, Python and the libraries that a result depends on."""
    versions = {"osteon": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFacts:
    """What a bundle says of its model; tables hold only what TOML can (no None).

    Attributes:
        system: "lytic", "metastasis", ...
        name, version: of this model.
        classes: what is found, in the order of the network's outputs.
        config: everything needed to build the networks and to prepare their input.
        operating_point: threshold, and how it was chosen.
        calibration: how scores become probabilities, and on what that was fitted.
        training_data: "fingerprint", "kind" ("phantom", "semi-real" or "real") and what else is known.
        versions: of the software that trained it.
    """

    system: str
    name: str
    version: str
    classes: tuple[str, ...]
    config: dict[str, Any]
    operating_point: dict[str, Any]
    calibration: dict[str, Any]
    training_data: dict[str, Any]
    versions: dict[str, str] = field(default_factory=library_versions)

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(self.classes))
        texts = (self.system, self.name, self.version, *self.classes)
        tables = (self.config, self.operating_point, self.calibration, self.training_data, self.versions)
        if not all(isinstance(text, str) and text for text in texts):
            raise BundleError(f"{FACTS}: system, name, version and classes must be texts")
        if not all(isinstance(table, dict) for table in tables):
            raise BundleError(f"{FACTS}: config, operating_point, calibration, training_data, versions must be tables")


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelBundle:
    """A bundle on disk whose files have been checked.

    Attributes:
        folder: where it is.
        facts: what it says of itself.
        weights: name -> SHA-256 of ``name.safetensors``.
        metrics: what was measured when it was made.
        hash: SHA-256 of ``model.toml``, and through the hashes in it of all weights: the model's identity.
    """

    folder: Path
    facts: ModelFacts
    weights: dict[str, str]
    metrics: dict[str, Any]
    hash: str

    def weights_path(self, name: str) -> Path:
        """File of the weights called ``name``.

        Raises:
            BundleError: there are none of this name.
        """
        if name not in self.weights:
            raise BundleError(f"{self.folder.name}: no weights {name!r}; the bundle has {sorted(self.weights)}")
        return self.folder / f"{name}.safetensors"

    @property
    def card(self) -> str:
        """Text of ``card.md``."""
        return (self.folder / CARD).read_text(encoding="utf-8")


def write_bundle(
    folder: Path,
    facts: ModelFacts,
    *,
    weights: Mapping[str, Mapping[str, Tensor]],
    metrics: Mapping[str, Any],
    card: str,
    half: bool = False,
) -> ModelBundle:
    """Write a bundle, whole or not at all, and read it back.

    Args:
        folder: must not exist, or be empty.
        facts: see ``ModelFacts``.
        weights: name (letters, digits, - and _) -> tensors of one network.
        metrics: JSON-like.
        card: Markdown: for what, trained on what, measured how, not for what.
        half: store matrices and kernels in half precision, at half the size. Vectors (biases, norms and their running
            statistics) stay as they are, and so does a tensor beyond half precision's range.

    Raises:
        BundleError: a name or value that a bundle cannot hold.
        InputError: ``folder`` is not empty.
    """
    with whole_folder(folder) as draft:
        hashes = {}
        for name, tensors in weights.items():
            _check_name(name)
            stored = {key: halved(tensor) for key, tensor in tensors.items()} if half else tensors
            save_tensors(draft / f"{name}.safetensors", stored, facts={})
            hashes[name] = _sha256(draft / f"{name}.safetensors")
        document = {"schema": SCHEMA, **asdict(facts), "weights": hashes}
        try:
            (draft / FACTS).write_text(tomli_w.dumps(document), encoding="utf-8")
            (draft / METRICS).write_text(json.dumps(dict(metrics), indent=1, allow_nan=False) + "\n", encoding="utf-8")
        except (TypeError, ValueError) as error:
            raise BundleError(f"{folder.name}: a value that TOML or JSON cannot hold ({error})") from error
        (draft / CARD).write_text(card, encoding="utf-8")
    return read_bundle(folder)


def halved(tensor: Tensor) -> Tensor:
    """What a bundle keeps of a tensor: kernels in half precision, all else as it is."""
    if tensor.ndim < 2 or tensor.dtype != torch.float32 or float(tensor.abs().max()) > torch.finfo(torch.float16).max:
        return tensor
    return tensor.half()


def read_bundle(folder: Path) -> ModelBundle:
    """Read and check a bundle.

    Raises:
        BundleError: it is of another version, or a file is missing, damaged or altered; the file is named.
    """
    document, digest = _read_facts(folder)
    try:
        facts = ModelFacts(**{one.name: document[one.name] for one in fields(ModelFacts)})
        weights = {str(name): str(value) for name, value in document["weights"].items()}
    except (KeyError, AttributeError, TypeError) as error:
        raise BundleError(f"{folder.name}/{FACTS}: not a whole description ({error} missing or wrong)") from error
    for name, expected in weights.items():
        _check_name(name)
        path = folder / f"{name}.safetensors"
        if not path.is_file():
            raise BundleError(f"{folder.name}/{path.name}: missing; train the model or fetch it again")
        if _sha256(path) != expected:
            raise BundleError(f"{folder.name}/{path.name}: not the file that the bundle was made with; fetch it again")
    return ModelBundle(folder=folder, facts=facts, weights=weights, metrics=_read_metrics(folder), hash=digest)


def bundle_system(folder: Path) -> str:
    """Name of the system that a bundle is of; nothing else of it is checked.

    Raises:
        BundleError: no bundle, or one of another version.
    """
    return str(_read_facts(folder)[0].get("system", ""))


def _read_facts(folder: Path) -> tuple[dict[str, Any], str]:
    path = folder / FACTS
    if not path.is_file():
        raise BundleError(f"{folder.name}: no {FACTS} in this folder; name the folder of a model bundle")
    if path.stat().st_size > _LARGEST_FACTS:
        raise BundleError(f"{folder.name}/{FACTS}: larger than {_LARGEST_FACTS} bytes; not a model bundle")
    content = path.read_bytes()
    try:
        document = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BundleError(f"{folder.name}/{FACTS}: not TOML ({error}); train or fetch the model again") from error
    if document.get("schema") != SCHEMA:
        raise BundleError(
            f"{folder.name}/{FACTS}: schema {document.get('schema')!r}, but this osteon ({__version__}) reads "
            f"{SCHEMA!r}; use the osteon that made it, or train again with this one"
        )
    return document, hashlib.sha256(content).hexdigest()


def _read_metrics(folder: Path) -> dict[str, Any]:
    try:
        metrics = read_json(folder / METRICS)
    except OsteonError as error:
        raise BundleError(
            f"{folder.name}/{METRICS}: missing or not JSON ({error}); train or fetch the model again"
        ) from error
    if not isinstance(metrics, dict):
        raise BundleError(f"{folder.name}/{METRICS}: expected an object at its top")
    return metrics


def _check_name(name: str) -> None:
    if not _WEIGHT_NAME.fullmatch(name):
        raise BundleError(f"{FACTS}: weights called {name!r}; expected letters, digits, - and _ only")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
