"""Vertebral bodies on real sagittal MR, found by a small network that has seen phantoms only.

A 2-D U-Net is trained on T1, T2 and fat-suppressed T2 slices of MR phantoms, rendered in memory, to mark vertebral
bodies and their centres (the sacrum is background). Epoch and threshold are chosen on held-out phantoms. Then it reads
the lumbar T2 slices of SPIDER, which are PNGs without pixel sizes (size and aspect are searched for: those at which
the network sees most bodies), and cervical scans, which have sizes but no labels of vertebrae (a picture to look at).

    python benchmarks/mr_localiser.py REAL_DATA [--train] [--out FOLDER] [--weights FILE] [--patients N] [--epochs N]
"""

from __future__ import annotations

import argparse
import itertools
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from scipy import ndimage
from torch.nn.functional import binary_cross_entropy_with_logits

from mr_localiser_slices import PIXEL_MM, SEED, heat_map, normalised, render, sample, stretched
from osteon.evaluation.intervals import wilson
from osteon.formats.nifti import read_nifti
from osteon.imaging.canonical import canonical
from osteon.networks.unet import UNetConfig, build_unet
from osteon.training.checkpoint import load_tensors
from osteon.training.config import LoopConfig
from osteon.training.loop import fit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor, nn

    Plane = NDArray[np.float32]

NETWORK = UNetConfig(
    out_channels=2, channels=(16, 32, 64, 96, 128), strides=(2, 2, 2, 2), norm="instance", activation="prelu"
)
BATCH = 12
HELD_OUT = 8
HEIGHTS_MM = (230.0, 290.0, 360.0)
ASPECTS = (1.0, 0.72, 0.52)
BODIES_COUNT = torch.tensor(8.0)  # bodies are a few hundredths of a slice
THRESHOLDS = tuple(np.arange(0.05, 0.75, 0.05))
LUMBAR = {"L5": (255, 0, 0), "L4": (0, 255, 0), "L3": (0, 0, 255), "L2": (255, 255, 0), "L1": (0, 255, 255)}
THORACIC = {"T12": (255, 0, 255), "T11": (128, 40, 40)}
DISCS = ((128, 128, 0), (0, 128, 128), (128, 0, 128), (40, 40, 40), (80, 80, 80), (128, 128, 128), (255, 255, 255))
CANAL = (40, 128, 40)
CANAL_SHARE = 0.004
"""A slice counts as mid-line where this share of it is spinal canal."""


# --- training


def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """Cross entropy and soft Dice of the bodies; cross entropy of the heat, hills weighing more.

    A squared error has no slope left once all heat is near zero, which is where hills this rare bring it.
    """
    logits = model(batch[0])
    body, heat = batch[1][:, 0], batch[1][:, 1]
    entropy = binary_cross_entropy_with_logits(logits[:, 0], body, pos_weight=BODIES_COUNT)
    seen = torch.sigmoid(logits[:, 0])
    overlap = 1 - (2 * (seen * body).sum() + 1) / (seen.sum() + body.sum() + 1)
    hills = binary_cross_entropy_with_logits(logits[:, 1], heat, weight=1 + 60 * heat)
    return {"loss": entropy + overlap + 2 * hills, "dice": overlap, "heat": hills}


def train(out: Path, *, patients: int, epochs: int) -> Path:
    """Render phantoms, train, and give the best epoch's weights."""
    started = time.process_time()
    data, held = render(range(patients)), render(range(10_000, 10_000 + HELD_OUT))
    print(f"{patients} + {HELD_OUT} phantoms, {len(data.image)} + {len(held.image)} slices: "
          f"{time.process_time() - started:.0f} CPU s", flush=True)  # fmt: skip
    rng = np.random.default_rng(SEED)
    checks = [sample(held, int(k), rng) for k in rng.permutation(len(held.image))[:96]]
    steps = len(data.image) // (BATCH * 2)

    def batches(_: int, rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        order = rng.permutation(len(data.image))
        for step in range(steps):
            made = [sample(data, int(k), rng) for k in order[step * BATCH : (step + 1) * BATCH]]
            yield (
                torch.from_numpy(np.stack([one[0] for one in made])[:, None]),
                torch.from_numpy(np.stack([one[1] for one in made])),
            )

    def validate(model: nn.Module, _: int) -> dict[str, float]:
        return {"f1": max(f1 for _, f1 in sweep(model, checks))}

    def tell(progress: Any) -> None:
        if progress.metrics is not None:
            print(f"epoch {progress.epoch}: {progress.losses} {progress.metrics}, "
                  f"{time.process_time() - started:.0f} CPU s", flush=True)  # fmt: skip

    torch.manual_seed(SEED)
    config = LoopConfig(epochs=epochs, optimizer="adamw", learning_rate=2e-3, weight_decay=1e-4, warmup_epochs=0.5,
                        monitor="f1", seed=SEED, device="cpu")  # fmt: skip
    network = build_unet(NETWORK)
    return fit(network, config=config, batches=batches, steps=steps, loss=loss, out=out, validate=validate,
               on_progress=tell).best  # fmt: skip


def sweep(model: nn.Module, checks: list[tuple[Plane, Plane, NDArray[np.uint8]]]) -> list[tuple[float, float]]:
    """F1 of the centres at each threshold, a centre being right in a body that no other one has been right in."""
    maps = [predict(model, image) for image, _, _ in checks]
    rows = []
    for threshold in THRESHOLDS:
        right = wrong = bodies = 0
        for (_, heat), (_, _, truth) in zip(maps, checks, strict=True):
            numbers = [int(truth[row, column]) for row, column, _ in peaks(heat, threshold)]
            hit = {number for number in numbers if number}
            right, wrong = right + len(hit), wrong + len(numbers) - len(hit)
            bodies += len(heat_map(truth)[1])
        rows.append((float(threshold), 2 * right / max(right + wrong + bodies, 1)))
    return rows


# --- finding


def predict(model: nn.Module, image: Plane) -> tuple[Plane, Plane]:
    """Probability of body, and heat, of a normalised slice of PIXEL_MM."""
    rows, columns = image.shape
    pad = ((0, -rows % NETWORK.multiple), (0, -columns % NETWORK.multiple))
    given = np.pad(image, pad, constant_values=float(image.min()))
    with torch.inference_mode():
        both = torch.sigmoid(model(torch.from_numpy(np.ascontiguousarray(given))[None, None]))[0].numpy()
    return both[0, :rows, :columns], both[1, :rows, :columns]


def peaks(heat: Plane, threshold: float) -> list[tuple[int, int, float]]:
    """Row, column and height of the hilltops, none within 6 pixels of a higher one."""
    smooth = cv2.GaussianBlur(heat, (0, 0), 0.7)
    top = (smooth == ndimage.maximum_filter(smooth, size=13)) & (smooth > threshold)
    return [(int(row), int(column), float(smooth[row, column])) for row, column in np.argwhere(top)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """Centres (row, column) in the picture's own pixels, the mask of bodies on it, and the size chosen for it."""

    centres: NDArray[np.int64]
    bodies: NDArray[np.bool_]
    size: tuple[float, float]


def find(model: nn.Module, image: NDArray[Any], *, sizes: list[tuple[float, float]], threshold: float) -> Found:
    """Bodies on a slice with the head up and the face to the left.

    Args:
        model: trained.
        image: grey levels.
        sizes: what its height and width may be, mm; the one with the largest sum of heat at the centres is taken.
        threshold: of the heat.
    """
    best, chosen = -1.0, None
    for size in sizes:
        rows, columns = (max(round(length / PIXEL_MM), 16) for length in size)
        small = cv2.resize(image.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
        body, heat = predict(model, normalised(small))
        tops = peaks(heat, threshold)
        score = sum(height for _, _, height in tops)
        if score > best:
            best, chosen = score, (tops, body, size)
    tops, body, size = chosen  # type: ignore[misc]
    scale = np.array(image.shape) / body.shape
    centres = np.array([[(row + 0.5) * scale[0], (column + 0.5) * scale[1]] for row, column, _ in tops])
    mask = cv2.resize(body, image.shape[::-1], interpolation=cv2.INTER_LINEAR) > 0.5
    return Found(centres=centres.reshape(-1, 2).astype(int), bodies=mask, size=size)


# --- real scans


def true_bodies(mask: NDArray[np.uint8]) -> dict[str, NDArray[np.bool_]]:
    """Body of each vertebra on a colour-coded slice: the largest piece of its colour, if it borders on a disc.

    Pieces that do not are arches and processes.
    """
    discs = np.any([(mask == colour).all(axis=-1) for colour in DISCS], axis=0)
    near = ndimage.binary_dilation(discs, iterations=max(3, len(mask) // 120))
    bodies = {}
    for name, colour in (LUMBAR | THORACIC).items():
        pieces, count = ndimage.label((mask == colour).all(axis=-1))
        if count:
            largest = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
            if (largest & near).any():
                bodies[name] = largest
    return bodies


def spider(model: nn.Module, data: Path, *, threshold: float, out: Path | None) -> None:
    """Lumbar bodies found on the labelled T2 slices."""
    folder = data / "mr_lumbar_spider_png"
    rows = []
    for path in sorted((folder / "images").glob("*.png")):
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)[::-1]
        mask = cv2.imread(str(folder / "masks" / path.name))[::-1, :, ::-1]
        height, width = image.shape
        sizes = [(h, h / a * width / height) for h, a in itertools.product(HEIGHTS_MM, ASPECTS)]
        sizes = [(h, w) for h, w in sizes if w <= 420]
        found = find(model, image, sizes=sizes, threshold=threshold)
        bodies = true_bodies(mask)
        hits = {name: int(sum(body[tuple(c)] for c in found.centres)) for name, body in bodies.items()}
        true = np.any([*bodies.values(), np.zeros(image.shape, bool)], axis=0)
        rows.append(
            {
                "lumbar": [hits[n] > 0 for n in bodies if n in LUMBAR],
                "thoracic": [hits[n] > 0 for n in bodies if n in THORACIC],
                "false": len(found.centres) - sum(hit > 0 for hit in hits.values()),
                "dice": 2 * (true & found.bodies).sum() / max(true.sum() + found.bodies.sum(), 1),
                "mid": (mask == CANAL).all(axis=-1).mean() > CANAL_SHARE,
            }
        )
        if out is not None:
            draw(out / "spider" / path.name, image, found, true)
    _report("all slices", rows)
    _report("mid-line slices (canal in view)", [row for row in rows if row["mid"]])


def _report(name: str, rows: list[dict[str, Any]]) -> None:
    for part in ("lumbar", "thoracic"):
        hits = [hit for row in rows for hit in row[part]]
        if hits:
            low, high = wilson(sum(hits), len(hits))[:2]
            print(f"SPIDER T2, {name}: {part} bodies found {sum(hits)}/{len(hits)} = {np.mean(hits):.3f} "
                  f"({low:.3f} to {high:.3f})")  # fmt: skip
    shown = [row["dice"] for row in rows if row["lumbar"] or row["thoracic"]]
    print(f"SPIDER T2, {name}: false centres a slice {np.mean([row['false'] for row in rows]):.2f} (n = {len(rows)}); "
          f"Dice of bodies {np.mean(shown):.3f}, median {np.median(shown):.3f} (n = {len(shown)})")  # fmt: skip


def cervical(model: nn.Module, data: Path, *, threshold: float, out: Path | None) -> None:
    """Centres found on the middle slices of unlabelled cervical scans, to be counted by eye on the pictures."""
    for name in ("t2_a1c31d68", "t2", "t1w"):
        volume = canonical(read_nifti(data / "mr_cervical_sct" / f"{name}.nii.gz"))
        across = volume.array.shape[2]
        image = volume.array[::-1, :, across // 2].astype(np.float32)
        size = (image.shape[0] * volume.grid.spacing_mm[2], image.shape[1] * volume.grid.spacing_mm[1])
        found = find(model, image, sizes=[size], threshold=threshold)
        print(f"cervical {name}, middle slice: {len(found.centres)} centres at (row, column) {found.centres.tolist()}")
        if out is not None:
            draw(out / f"cervical_{name}.png", image, found, None)


def draw(path: Path, image: NDArray[Any], found: Found, true: NDArray[np.bool_] | None) -> None:
    """The slice at 1 mm or finer with found bodies (red), labelled ones (green) and centres (yellow)."""
    grey = np.rint(255 * stretched(image)).astype(np.uint8)
    picture = np.dstack([grey] * 3)
    factor = 3 if max(image.shape) < 300 else 1
    picture = cv2.resize(picture, None, fx=factor, fy=factor)
    for mask, colour in ((true, (0, 200, 0)), (found.bodies, (0, 0, 255))):
        if mask is not None:
            large = cv2.resize(mask.astype(np.uint8), None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
            cv2.drawContours(picture, cv2.findContours(large, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0], -1, colour)
    for row, column in found.centres:
        cv2.circle(picture, (int(column * factor), int(row * factor)), 4, (0, 255, 255), -1)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--out", type=Path, help="for the training run and pictures")
    parser.add_argument("--weights", type=Path, help="of an earlier run: OUT/run/best.safetensors")
    parser.add_argument("--patients", type=int, default=80)
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    if options.train == bool(options.weights) or (options.train and options.out is None):
        parser.error("either --train with --out, or --weights")
    weights = options.weights or train(options.out / "run", patients=options.patients, epochs=options.epochs)
    model = build_unet(NETWORK)
    model.load_state_dict(load_tensors(weights)[0])
    model.eval()
    held = render(range(20_000, 20_000 + HELD_OUT))
    rng = np.random.default_rng(SEED)
    rows = sweep(model, [sample(held, int(k), rng) for k in rng.permutation(len(held.image))[:120]])
    threshold, f1 = max(rows, key=lambda row: row[1])
    print(f"held-out phantoms: F1 of centres {f1:.3f} at threshold {threshold:.2f} (120 augmented slices)", flush=True)
    spider(model, options.data, threshold=threshold, out=options.out)
    cervical(model, options.data, threshold=threshold, out=options.out)


if __name__ == "__main__":
    main()
