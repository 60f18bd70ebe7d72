"""The study's second step: YOLOv5 on the Hadamard product of slice and bone mask, its folds and its ensemble."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from osteon.errors import CohortError
from osteon.evaluation.average_precision import make_boxes, match_boxes
from osteon.evaluation.intervals import cluster_codes
from osteon.evaluation.mean_ap import mean_average_precision
from osteon.files import whole_file
from osteon.formats.json_file import read_json
from osteon.inference.boxes import merge_ensemble
from osteon.networks.anchors import best_possible_recall, fit_anchors
from osteon.networks.yolov5 import COCO_ANCHORS, YOLOv5, YOLOv5Config, build_yolov5, detect
from osteon.systems.lytic.published.bone import bone_on
from osteon.systems.lytic.published.slices import grey, to_square
from osteon.training.augment_boxes import BoxAugmentation, BoxSample, draw_boxes_sample
from osteon.training.config import LoopConfig
from osteon.training.loop import fit
from osteon.training.yolo_loss import YoloLossConfig, pack_targets, yolo_loss

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from osteon.evaluation.estimate import Estimate
    from osteon.systems.lytic.published.config import BonePart, DetectionPart
    from osteon.systems.lytic.published.slices import StudySlices

Found = tuple["NDArray[np.float32]", "NDArray[np.float32]"]
"""Boxes (n, 4), x0 y0 x1 y1, and scores (n,)."""
RESAMPLES = 200
# Where parts of images are learnt from (a choice, as for the detector that ships):
ROUND_LESIONS = 0.67
"""Share of the parts of an image with lesions that are cut out round one."""
REACH, OFF_CENTRE = 0.62, 0.45
"""From the middle of a part to its edge, in sides of what is learnt from; how far off a lesion may lie, in that."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Products:
    """Slices times their bone masks, ready for the detector.

    Attributes:
        images: (n, size, size) uint8.
        boxes: for each, (k, 4) true lesions in pixels of the image.
        patient, case: for each, names.
        row: for each, its place in the case's ``StudySlices``.
        annotated: for each, whether it was drawn to teach, not as the test's are.
    """

    images: NDArray[np.uint8]
    boxes: tuple[NDArray[np.float32], ...]
    patient: tuple[str, ...]
    case: tuple[str, ...]
    row: tuple[int, ...]
    annotated: tuple[bool, ...]

    def of(self, patients: set[str], *, annotated: bool) -> list[int]:
        """Places of the images of these patients; ``annotated`` or else random ones."""
        return [k for k, one in enumerate(self.patient) if one in patients and self.annotated[k] == annotated]


def product(plane: NDArray[Any], bone: NDArray[np.bool_], *, part: BonePart, image: int) -> NDArray[np.uint8]:
    """Hadamard product of a slice in HU and its bone mask, both (y, x), as a square 8-bit image."""
    return np.asarray(to_square(np.where(bone, grey(plane, part.window_hu), np.uint8(0)), image))


def write_products(
    folder: Path, cases: Sequence[StudySlices], network: nn.Module, *, bone: BonePart, image: int
) -> dict[str, Any]:
    """Multiply every slice with the bone that the network finds on it, and keep the images in ``folder``.

    A slice that was drawn for both purposes is kept twice, once for each.

    Raises:
        CohortError: it finds no bone on any of them; a detector that learns from black images ends in infinities.
    """
    images, facts = [], []
    for case in cases:
        for annotated in (True, False):
            for k in case.rows("annotated" if annotated else "random"):
                plane = np.asarray(case.hu[k])
                images.append(product(plane, bone_on(network, plane, bone), part=bone, image=image))
                scale = image / max(plane.shape)
                facts.append(
                    {
                        "patient": case.patient,
                        "case": case.case,
                        "row": k,
                        "annotated": annotated,
                        "boxes": (case.boxes[k] * np.float32(scale)).tolist(),
                    }
                )
    if images and not any(one.any() for one in images):
        raise CohortError(f"the bone network finds no bone on {len(images)} slices; train it longer (bone.epochs)")
    with whole_file(folder / "images.npy") as draft, draft.open("wb") as file:
        np.save(file, np.stack(images) if images else np.zeros((0, image, image), np.uint8))
    with whole_file(folder / "images.json") as draft:
        draft.write_text(json.dumps(facts) + "\n", encoding="utf-8")
    lesions = sum(len(fact["boxes"]) for fact in facts if fact["annotated"])
    shown = sum(bool(fact["boxes"]) for fact in facts if fact["annotated"])
    return {"images": sum(bool(f["annotated"]) for f in facts), "with lesions": shown, "boxes": lesions}


def open_products(folder: Path) -> Products:
    """What ``write_products`` kept."""
    facts = read_json(folder / "images.json")
    return Products(
        images=np.load(folder / "images.npy", mmap_mode="r"),
        boxes=tuple(np.asarray(fact["boxes"], dtype=np.float32).reshape(-1, 4) for fact in facts),
        patient=tuple(fact["patient"] for fact in facts),
        case=tuple(fact["case"] for fact in facts),
        row=tuple(int(fact["row"]) for fact in facts),
        annotated=tuple(bool(fact["annotated"]) for fact in facts),
    )


def _network(products: Products, rows: Sequence[int], part: DetectionPart) -> YOLOv5:
    """A network with YOLOv5's anchors, or such as fit the training boxes where its own do not."""
    sizes = np.concatenate([products.boxes[k][:, 2:] - products.boxes[k][:, :2] for k in rows] or [np.zeros((0, 2))])
    anchors = COCO_ANCHORS
    if len(sizes) and best_possible_recall(sizes, anchors) < part.anchor_recall:
        anchors = fit_anchors(sizes, generator=np.random.default_rng(0))
    model = build_yolov5(YOLOv5Config(size=part.size, classes=1, in_channels=3, anchors=anchors))
    if part.start:
        from osteon.training.import_weights import start_from

        start_from(model, Path(part.start))
    return model


def train_network(
    products: Products,
    train: Sequence[int],
    validation: Sequence[int],
    part: DetectionPart,
    *,
    seed: int,
    precision: str,
    device: str,
    out: Path,
    on_progress: Callable[[Any], None],
) -> tuple[YOLOv5, dict[str, Any]]:
    """Train one YOLOv5 and keep the epoch with the best mAP@0.5 on the validation images.

    Args:
        products: all images.
        train: places of images to learn from.
        validation: places of images to choose the epoch on.
        part: of the recipe.
        seed: of starting weights, shuffle and augmentation; another seed is another member of an ensemble.
        precision: as in ``training.config.LoopConfig``.
        device: as there.
        out: folder of the run; gone on with if there is one.
        on_progress: is told of every step.

    Returns:
        The network, and {"epoch", "map50", "history": [[epoch, loss, map50], ...]}.
    """
    torch.manual_seed(seed)
    model = _network(products, train, part)
    steps = max(1, len(train) * part.crops // part.batch)

    def loss(net: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> dict[str, torch.Tensor]:
        images, targets = batch
        parts = yolo_loss(net(images), targets, model, _loss_config(part))
        return {"loss": parts.total, "box": parts.box, "objectness": parts.objectness}

    def validate(net: nn.Module, _: int) -> dict[str, float]:
        assert isinstance(net, YOLOv5)
        return {"map50": average(products, validation, predict(net, products, validation, part)).value}

    result = fit(
        model,
        config=_loop(part, seed=seed, precision=precision, device=device),
        batches=_batches(products, train, part, steps=steps),
        steps=steps,
        loss=loss,
        out=out,
        validate=validate,
        on_progress=on_progress,
        resume=True,
        identity=f"published detection|{part}|{seed}|{len(train)} {len(validation)}",
    )
    history = [[entry["epoch"], entry["train"]["loss"], entry["val"]["map50"]] for entry in result.history]
    return model.eval(), {"epoch": result.best_epoch, "map50": history[result.best_epoch - 1][2], "history": history}


def _batches(
    products: Products, train: Sequence[int], part: DetectionPart, *, steps: int
) -> Callable[[int, np.random.Generator], Iterator[tuple[torch.Tensor, torch.Tensor]]]:
    """One epoch's batches: every image in a new order, augmented, three random others with it in a mosaic."""
    augmentation = BoxAugmentation(
        size=part.crop or part.image,
        flip_horizontal=part.flip_horizontal,
        flip_vertical=part.flip_vertical,
        mosaic=part.mosaic,
        scale=part.scale,
        translate=part.translate,
        gain=part.value,
        gamma=0.0,
    )

    def make(epoch: int, generator: np.random.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        order = np.concatenate([generator.permutation(len(train)) for _ in range(part.crops)])
        order = np.resize(order, steps * part.batch)

        def load(place: int) -> BoxSample:
            k = train[place]
            plane, boxes = np.asarray(products.images[k]), products.boxes[k]
            if part.crop:
                plane, boxes = cut_out(plane, boxes, side=part.crop, generator=generator)
            image = np.stack([plane.astype(np.float32) / np.float32(255)] * 3)
            return BoxSample(image=image, boxes=boxes, labels=np.zeros(len(boxes), dtype=np.int64))

        for step in range(steps):
            made = [
                draw_boxes_sample(load, int(k), count=len(train), config=augmentation, generator=generator)
                for k in order[step * part.batch : (step + 1) * part.batch]
            ]
            images = torch.from_numpy(np.stack([sample.image for sample in made]))
            yield images, pack_targets([torch.from_numpy(sample.boxes) for sample in made])

    return make


def cut_out(
    plane: NDArray[np.uint8], boxes: NDArray[np.float32], *, side: int, generator: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Cut a part out of an image, somewhat larger than ``side``, so that augmentation has what to move in.

    Mostly round a lesion, if there is one, else round any pixel of bone; never with either just in the middle.

    Args:
        plane: (y, x), 0 where there is no bone.
        boxes: (k, 4) in pixels.
        side: of what is learnt from.
        generator: draws.

    Returns:
        The part, and the boxes of which at least half of either side is in it, cut to it.
    """
    height, width = plane.shape
    reach = round(REACH * side)
    if len(boxes) and generator.random() < ROUND_LESIONS:
        x0, y0, x1, y1 = boxes[int(generator.integers(len(boxes)))]
        x, y = float(x0 + x1) / 2, float(y0 + y1) / 2
    else:
        bone = np.flatnonzero(plane)
        middle = (height // 2) * width + width // 2
        place = int(bone[int(generator.integers(len(bone)))]) if len(bone) else middle
        x, y = float(place % width), float(place // width)
    x, y = np.array([x, y]) + generator.uniform(-OFF_CENTRE, OFF_CENTRE, 2) * reach
    left, top = (int(np.clip(round(at - reach), 0, max(0, end - 2 * reach))) for at, end in ((x, width), (y, height)))
    part = plane[top : top + 2 * reach, left : left + 2 * reach]
    moved = boxes - np.array([left, top, left, top], dtype=np.float32)
    cut = np.clip(moved, 0, np.array([part.shape[1], part.shape[0]] * 2, dtype=np.float32))
    kept = (cut[:, 2:] - cut[:, :2] > 0.5 * (moved[:, 2:] - moved[:, :2])).all(axis=1)
    return part, cut[kept]


def _loss_config(part: DetectionPart) -> YoloLossConfig:
    """YOLOv5's own gains, or the recipe's objectness at whatever size."""
    if part.objectness:
        return YoloLossConfig(objectness=part.objectness, image_size=640)
    return YoloLossConfig(image_size=part.crop or part.image)


def _loop(part: DetectionPart, *, seed: int, precision: str, device: str) -> LoopConfig:
    """YOLOv5's own training: SGD, warm-up, a rate that falls linearly, averaged weights."""
    return LoopConfig(
        epochs=part.epochs,
        optimizer=part.optimizer,
        learning_rate=part.learning_rate,
        momentum=part.momentum,
        weight_decay=part.weight_decay,
        schedule="linear",
        warmup_epochs=min(part.warmup_epochs, part.epochs / 3),
        ema_decay=part.ema_decay,
        ema_ramp_steps=part.ema_ramp_steps,
        monitor="map50",
        seed=seed,
        precision=precision,
        device=device,
        channels_last=precision != "32-true",
        prefetch=4,
    )


def predict(
    model: YOLOv5, products: Products, rows: Sequence[int], part: DetectionPart, *, batch: int = 8
) -> list[Found]:
    """Boxes in pixels of each image."""
    device = next(model.parameters()).device
    answers: list[Found] = []
    for start in range(0, len(rows), batch):
        chosen = list(rows[start : start + batch])
        planes = np.stack([products.images[k] for k in chosen]).astype(np.float32) / np.float32(255)
        images = torch.from_numpy(planes)[:, None].expand(-1, 3, -1, -1).to(device)
        for one in detect(model, images, confidence=part.min_score, iou=part.nms_iou):
            answers.append((one.boxes_xyxy.float().cpu().numpy(), one.scores.float().cpu().numpy()))
    return answers


def predict_together(
    models: Sequence[YOLOv5], products: Products, rows: Sequence[int], part: DetectionPart
) -> list[Found]:
    """Boxes of the ensemble, merged as ``inference.boxes.merge_ensemble`` says."""
    each = [predict(model, products, rows, part) for model in models]
    return [merge_ensemble(members, iou=part.merge_iou) for members in zip(*each, strict=True)]


def average(products: Products, rows: Sequence[int], found: Sequence[Found], *, resamples: int = 0) -> Estimate:
    """mAP@0.5 (COCO, 101 points) over these images; nan where they show no lesion."""
    true_at = np.repeat(np.arange(len(rows)), [len(products.boxes[k]) for k in rows])
    found_at = np.repeat(np.arange(len(rows)), [len(boxes) for boxes, _ in found])
    empty = np.zeros((0, 4), dtype=np.float32)
    matches = match_boxes(
        make_boxes(
            np.concatenate([empty, *(boxes for boxes, _ in found)]),
            image=found_at,
            score=np.concatenate([np.zeros(0, np.float32), *(scores for _, scores in found)]),
        ),
        make_boxes(np.concatenate([empty, *(products.boxes[k] for k in rows)]), image=true_at),
        thresholds=(0.5,),
    )
    if not matches:
        from osteon.evaluation.estimate import Estimate

        return Estimate(value=float("nan"), n=0, unit="lesions", method="no lesion and no box")
    patients = cluster_codes([products.patient[k] for k in rows])[0]
    return mean_average_precision(matches, patient=patients, resamples=resamples).at[0.5]
