"""All stages of the lytic study, each kept when done: data, bone, products, grid, folds, ensemble, test, readers."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.cohort.splits import patient_folds, patient_split
from osteon.errors import CohortError
from osteon.evaluation.overlap import measure, overlap_counts
from osteon.systems.lytic.published import agreement
from osteon.systems.lytic.published.bone import bone_on, build_bone, train_bone
from osteon.systems.lytic.published.config import StudyConfig
from osteon.systems.lytic.published.detection import (
    average,
    open_products,
    predict,
    predict_together,
    train_network,
    write_products,
)
from osteon.systems.lytic.published.judge import SliceResult, choose_threshold
from osteon.systems.lytic.published.sections import rows_by_case, study_sections
from osteon.systems.lytic.published.slices import keep_slices, open_slices
from osteon.systems.recipes import study_settings
from osteon.systems.reproduction import StudyReport, conduct, run_phantoms, start_run, take_cohort
from osteon.systems.settings import configure
from osteon.systems.stages import Stage, stage_facts
from osteon.training.weights import load_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import nn

    from osteon.cohort.manifest import Cohort
    from osteon.networks.yolov5 import YOLOv5
    from osteon.systems.lytic.published.config import DetectionPart
    from osteon.systems.lytic.published.detection import Products
    from osteon.systems.lytic.published.slices import StudySlices
    from osteon.systems.protocol import ReproduceOptions, Reproduction

BEST = "best.safetensors"


def study_config(options: ReproduceOptions) -> StudyConfig:
    """The recipe of the profile with the caller's settings over it.

    Raises:
        UsageError: an unknown key or an impossible value.
    """
    return configure(StudyConfig(), study_settings("lytic", options))


def reproduce(
    out: Path,
    *,
    options: ReproduceOptions,
    on_step: Callable[[str, Any], None],
    on_case: Callable[[int, int, str], None],
) -> Reproduction:
    """See ``systems.protocol.System.reproduce``."""
    config = study_config(options)
    recipe = asdict(config)
    run = start_run(out, "lytic", options, recipe=recipe)
    study = Study(run=run, config=config, options=options, on_step=on_step, on_case=on_case)
    return conduct(out, "lytic", study, options=options, run=run, recipe=recipe, on_case=on_case)


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """The stages of one run; every method that does one is given its folder and returns what JSON can hold."""

    run: Path
    config: StudyConfig
    options: ReproduceOptions
    on_step: Callable[[str, Any], None]
    on_case: Callable[[int, int, str], None]

    def stages(self) -> list[Stage]:
        """In the order of work; what lies between "products" and "test" is independent but for the grid."""
        count, folds = len(self.config.tried()), self.config.data.folds
        grid = [f"grid-{k + 1}" for k in range(count)] if count > 1 else []
        fold = [f"fold-{k + 1}" for k in range(folds)]
        member = [f"member-{k + 1}" for k in range(1, self.config.detection.members)]
        return [
            Stage(name="data", work=self.do_data),
            Stage(name="bone", work=self.do_bone, needs=("data",)),
            Stage(name="products", work=self.do_products, needs=("bone",)),
            *(Stage(name=name, work=partial(self.do_grid, k), needs=("products",)) for k, name in enumerate(grid)),
            *(
                Stage(name=name, work=partial(self.do_fold, k), needs=("products", *grid))
                for k, name in enumerate(fold)
            ),
            *(
                Stage(name=name, work=partial(self.do_member, k), needs=("products", *grid))
                for k, name in enumerate(member, start=1)
            ),
            Stage(name="test", work=self.do_test, needs=("fold-1", *member)),
            Stage(name="readers", work=self.do_readers, needs=("data",)),
        ]

    def report(self, facts: dict[str, dict[str, Any]]) -> StudyReport:
        """The test patients, and the folds beside them."""
        return StudyReport(
            sections=study_sections(self.cohort(), self.config, facts, folder=self.run / "data" / "slices"),
            rows=rows_by_case(facts["test"], self.config.detection),
        )

    def cohort(self) -> Cohort:
        """The cohort given, or the phantoms of this run (made on the first call)."""
        return take_cohort(self.options, self._phantoms, modality="CT")

    def _phantoms(self) -> Cohort:
        from osteon.phantom.options import PhantomOptions

        data = self.config.data
        low, high = data.range_mm
        chosen = PhantomOptions(
            patients=data.patients,
            seed=self.options.seed,
            profile=data.profile,
            mean_lesions=data.mean_lesions,
            range_mm=(low, high) if high > low else None,
        )
        return run_phantoms(chosen, self.run / "phantoms", on_case=self.on_case)

    def do_data(self, folder: Path) -> dict[str, Any]:
        """Divide the patients, and keep the slices that are used."""
        cohort = self.cohort()
        roles, folds = self._divide(cohort)
        for number, case in enumerate(cohort.cases, start=1):
            keep_slices(
                cohort,
                case,
                role=roles[case.case],
                part=self.config.data,
                seed=self.options.seed,
                folder=folder / "slices",
            )
            self.on_case(number, len(cohort.cases), case.case)
        return {"roles": roles, "folds": folds}

    def _divide(self, cohort: Cohort) -> tuple[dict[str, str], list[list[str]]]:
        """Role of every case ("bone-validation" is "bone"), and the detection patients of each fold."""
        data, seed = self.config.data, self.options.seed
        known = all("lesions" in case.labels for case in cohort.cases)
        alike = ("lesions",) if data.stratified and known else ()
        first = patient_split(cohort, shares=(1 - data.test_share, data.test_share, 0), seed=seed, stratify=alike)
        training = _part(cohort, first.train)
        second = patient_split(training, shares=(1 - data.bone_share, data.bone_share, 0), seed=seed + 1)
        detection = _part(cohort, second.train)
        roles = dict.fromkeys(first.val, "test") | dict.fromkeys(second.train, "detection")
        roles |= dict.fromkeys(second.val, "bone")
        patients = {case.case: case.patient for case in cohort.cases}
        if len({patients[name] for name in second.val}) < 2:
            raise CohortError(
                f"cohort {cohort.name}: {len(second.val)} case left to teach bone; expected 2 patients or more, one of "
                "them to choose the epoch: take more patients or a larger data.bone_share"
            )
        folds = patient_folds(detection, folds=data.folds, seed=seed + 2, stratify=alike)
        return roles, [sorted({patients[name] for name in fold.val}) for fold in folds]

    def _slices(self, role: str) -> list[StudySlices]:
        roles = stage_facts(self.run, "data")["roles"]
        return [open_slices(self.run / "data" / "slices", name) for name, one in roles.items() if one == role]

    def do_bone(self, folder: Path) -> dict[str, Any]:
        """Train the U-Net on the bone patients, some of them kept for choosing the epoch."""
        cases = self._slices("bone")
        patients = sorted({case.patient for case in cases})
        order = np.random.default_rng([self.options.seed, 3]).permutation(len(patients))
        count = min(max(1, round(self.config.data.bone_validation * len(patients))), len(patients) - 1)
        kept = {patients[k] for k in order[:count]}
        _, facts = train_bone(
            [case for case in cases if case.patient not in kept],
            [case for case in cases if case.patient in kept],
            self.config.bone,
            seed=self.options.seed,
            precision=self.config.precision,
            device=self.options.device,
            out=folder / "training",
            on_progress=partial(self.on_step, "bone"),
        )
        return {**facts, "slices": sum(len(case.index) for case in cases), "patients": len(patients)}

    def _bone(self) -> nn.Module:
        network = build_bone(self.config.bone)
        load_weights(network, self.run / "bone" / "training" / BEST)
        return network.eval().to(self._device())

    def _device(self) -> str:
        import torch

        wanted = self.options.device
        return ("cuda" if torch.cuda.is_available() else "cpu") if wanted == "auto" else wanted

    def do_products(self, folder: Path) -> dict[str, Any]:
        """Bone masks of the detection slices by the U-Net, and the products."""
        return write_products(
            folder,
            self._slices("detection"),
            self._bone(),
            bone=self.config.bone,
            image=self.config.detection.image,
        )

    def _fold(self, products: Products, number: int) -> tuple[list[int], list[int]]:
        """Images to train and to validate fold ``number`` (from 0) on."""
        folds = stage_facts(self.run, "data")["folds"]
        validation = set(folds[number])
        others = {patient for fold in folds for patient in fold} - validation
        train = products.of(others, annotated=True)
        if not train:
            raise CohortError(f"fold {number + 1}: no slice to train on; take more patients or more lesions")
        return train, products.of(validation, annotated=True)

    def _train(self, folder: Path, fold: int, part: DetectionPart, *, seed: int, stage: str) -> dict[str, Any]:
        products = open_products(self.run / "products")
        train, validation = self._fold(products, fold)
        model, facts = train_network(
            products,
            train,
            validation,
            part,
            seed=seed,
            precision=self.config.precision,
            device=self.options.device,
            out=folder / "training",
            on_progress=partial(self.on_step, stage),
        )
        found = predict(model, products, validation, part)
        boxes = [{"row": k, "boxes": b.tolist(), "scores": s.tolist()}
                 for k, (b, s) in zip(validation, found, strict=True)]  # fmt: skip
        (folder / "found.json").write_text(json.dumps(boxes) + "\n", encoding="utf-8")
        estimate = average(products, validation, found, resamples=0)
        return {
            **facts,
            "map50": None if np.isnan(estimate.value) else estimate.value,
            "images": [len(train), len(validation)],
            "lesions": estimate.n,
        }

    def do_grid(self, number: int, folder: Path) -> dict[str, Any]:
        """Try one combination on the first fold."""
        part = self.config.tried()[number]
        facts = self._train(folder, 0, part, seed=self.options.seed + 10, stage=f"grid {number + 1}")
        return {**facts, "learning_rate": part.learning_rate, "scale": part.scale}

    def _chosen(self) -> DetectionPart:
        """The recipe's detection with the best combination of the grid."""
        tried = self.config.tried()
        if len(tried) == 1:
            return replace(tried[0], epochs=self.config.detection.epochs)
        scores = [stage_facts(self.run, f"grid-{k + 1}")["map50"] for k in range(len(tried))]
        best = int(np.argmax([-1.0 if score is None else score for score in scores]))
        return replace(tried[best], epochs=self.config.detection.epochs)

    def do_fold(self, number: int, folder: Path) -> dict[str, Any]:
        """Train on the other folds' patients."""
        seed = self.options.seed + 100 * (number + 1)
        return self._train(folder, number, self._chosen(), seed=seed, stage=f"fold {number + 1}")

    def do_member(self, number: int, folder: Path) -> dict[str, Any]:
        """Train a further member of the ensemble: the first fold's patients, another shuffle."""
        seed = self.options.seed + 1000 * number
        return self._train(folder, 0, self._chosen(), seed=seed, stage=f"member {number + 1}")

    def _members(self) -> list[YOLOv5]:
        from osteon.networks.yolov5 import YOLOv5Config, build_yolov5

        names = ["fold-1", *(f"member-{k + 1}" for k in range(1, self.config.detection.members))]
        models = []
        for name in names:
            model = build_yolov5(YOLOv5Config(size=self.config.detection.size, classes=1, in_channels=3))
            load_weights(model, self.run / name / "training" / BEST)  # its anchors are among the tensors
            models.append(model.eval().to(self._device()))
        return models

    def do_test(self, folder: Path) -> dict[str, Any]:
        """The ensemble on random slices: the first fold's held-out patients' for the threshold, then the test's."""
        bone, models = self._bone(), self._members()
        held = set(stage_facts(self.run, "data")["folds"][0])
        image = self.config.detection.image
        cases = {"validation": self._slices("detection"), "test": self._slices("test")}
        write_products(folder, cases["test"], bone, bone=self.config.bone, image=image)
        sets = {"validation": open_products(self.run / "products"), "test": open_products(folder)}
        answers: dict[str, list[SliceResult]] = {}
        for name, products in sets.items():
            rows = products.of(held if name == "validation" else set(products.patient), annotated=False)
            found = predict_together(models, products, rows, self.config.detection)
            kept = {case.case: case for case in cases[name]}
            answers[name] = [
                self._slice_result(kept[products.case[k]], products.row[k], boxes, scores, bone)
                for k, (boxes, scores) in zip(rows, found, strict=True)
            ]
        hit_iou = self.config.detection.hit_iou
        threshold = choose_threshold(answers["validation"], hit_iou=hit_iou)
        return {
            "threshold": threshold,
            **{name: [one.plain() for one in slices] for name, slices in answers.items()},
        }

    def _slice_result(self, case: StudySlices, row: int, boxes: Any, scores: Any, bone: nn.Module) -> SliceResult:
        """Boxes back on the scan's pixels, and the Dice of its bone."""
        plane = np.asarray(case.hu[row])
        scale = max(plane.shape) / self.config.detection.image
        dice = float("nan")
        if case.has_bone:
            mask = bone_on(bone, plane, self.config.bone)
            dice = float(measure(overlap_counts(np.asarray(case.bone[row]), mask), "dice")[0])
        return SliceResult(
            case=case.case,
            patient=case.patient,
            row=row,
            true=case.boxes[row],
            found=np.asarray(boxes * np.float32(scale), dtype=np.float32),
            score=np.asarray(scores, dtype=np.float32),
            dice=dice,
        )

    def do_readers(self, folder: Path) -> dict[str, Any]:
        """Two simulated readers on the test patient with most lesions."""
        cohort = self.cohort()
        roles = stage_facts(self.run, "data")["roles"]
        fit = [case for case in cohort.cases if roles[case.case] == "test" and agreement.can_be_read(case)]
        if not fit:
            return {"case": "", "slices": 0, "first": [], "second": []}
        chosen = max(fit, key=lambda case: case.labels.get("lesions", 0))
        return agreement.read_slices(cohort, chosen, self.config.readers, seed=self.options.seed)


def _part(cohort: Cohort, names: Sequence[str]) -> Cohort:
    """The cohort with these cases only."""
    return replace(cohort, cases=tuple(case for case in cohort.cases if case.case in set(names)))
