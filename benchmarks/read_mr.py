"""Time and memory of `osteon read` on an MR study of a usual size, DICOM in and out included, in a fresh process.

Usage: python benchmarks/read_mr.py metastasis|tumor|fracture [--model FOLDER] [--runs 3] [--threads 2] [--profile]
                                    [--slices N] [--matrix N]

Targets on 2 hardware threads: metastasis (3 sequences of 24 x 448 x 448) under 20 s and 3 GiB, tumor and fracture (4
and 2 sequences of 16 x 512 x 512) under 15 s. The study is a phantom, made anew in a temporary folder. Without --model
the model that ships is read with, or where none does, one of the default configuration with random weights, whose time
per study is the same but for what it finds. Beside it, in a fresh process of its own: the same folders read by
SimpleITK, and noise of the networks' input size through the same networks once. Where other work shares the machine,
CPU seconds and the ratio of the two are steadier than wall seconds. --profile prints where Python's time goes (CPU
seconds, in this process).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fresh_process import OSTEON, Cost, hardware, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from osteon.phantom.mr.patient import MrPatient
    from osteon.phantom.mr.protocol import Protocol

SEED = 3
SIZES = {"metastasis": (24, 448), "tumor": (16, 512), "fracture": (16, 512)}
"""Slices, and rows and columns."""
TARGETS = {"metastasis": (20.0, 3.0), "tumor": (15.0, 3.0), "fracture": (15.0, 3.0)}
"""Wall seconds and GiB on two hardware threads."""
SAMPLED = (128, 112)
"""Points that the phantom's scanner samples, interpolated to the matrix: quickly made, and reading takes as long."""
CALLED_SHARE = 0.002
"""Share of voxels that random metastasis networks shall call, so that there are findings to write."""


def make_study(folder: Path, system: str, *, slices: int, matrix: int) -> list[str]:
    """Write the study; further arguments that `osteon read` needs for it."""
    from osteon.phantom.cohorts.mr_study import write_study
    from osteon.phantom.mr.scan import scan_patient

    rng = np.random.default_rng(SEED)
    patient, protocol, target = _fracture(rng) if system == "fracture" else _diseased(rng, system)
    sequences = protocol.sequences
    if system == "tumor":  # T2 twice, as some of the study's patients had it: 3.7 series a patient on average
        sequences = (*sequences, replace(protocol.sequence("t2"), te_ms=protocol.sequence("t2").te_ms + 10))
    sized = replace(
        protocol,
        stations=1,
        slices=slices,
        sequences=tuple(replace(one, matrix=matrix, acquired=SAMPLED) for one in sequences),
    )
    scan = scan_patient(patient, sized, target_mm=target)
    write_study(scan, folder, case="benchmark", seed=f"benchmark-{system}")
    return ["--point=" + ",".join(f"{value:.1f}" for value in target)] if system == "fracture" else []


def _diseased(rng: np.random.Generator, system: str) -> tuple[MrPatient, Protocol, tuple[float, float, float]]:
    from osteon.phantom.anatomy.person import draw_person
    from osteon.phantom.disease import draw_diagnosis, draw_disease
    from osteon.phantom.mr.patient import draw_mr_patient
    from osteon.phantom.mr.protocol import draw_protocol

    diagnosis = draw_diagnosis(system, rng, centre="a")
    person = draw_person(rng, age_years=diagnosis.age_years, sex=diagnosis.sex)
    patient = draw_mr_patient(rng, person=person)
    spine = tuple(bone for bone in patient.bones if bone.site in ("vertebra", "sacrum"))
    disease = draw_disease(diagnosis, spine, person, rng=rng)
    low, high = disease.lesions[0].solid.bounds()
    x, y, z = (float(value) for value in (low + high) / 2)
    return (
        patient.with_spots(disease.lesions, disease.mimics),
        draw_protocol(rng, study=system, centre="a"),
        (x, y, z),
    )


def _fracture(rng: np.random.Generator) -> tuple[MrPatient, Protocol, tuple[float, float, float]]:
    from osteon.phantom.cohorts.fracture import draw_fracture_protocol
    from osteon.phantom.fracture_patient import draw_fracture_patient

    fracture = draw_fracture_patient(rng, malignant=True)
    x, y, z = (float(value) for value in fracture.bone.centre)
    return fracture.patient, draw_fracture_protocol(rng, centre="a", profile="small"), (x, y, z)


def write_untrained(system: str, folder: Path) -> None:
    """A bundle of the default configuration with random weights, through the bundle's own writer."""
    import torch

    torch.manual_seed(SEED)
    {"metastasis": _untrained_metastasis, "tumor": _untrained_tumor, "fracture": _untrained_fracture}[system](folder)


def _untrained_metastasis(folder: Path) -> None:
    from osteon.inference.calibration import fit_calibration
    from osteon.systems.metastasis.bundle import as_shipped, save_model
    from osteon.systems.metastasis.config import MetastasisConfig, sequences_of
    from osteon.systems.metastasis.infer import FEATURES
    from osteon.systems.metastasis.network import build_network, probabilities

    config = MetastasisConfig()
    networks = {name: build_network(name, config.network).eval() for name in config.models}
    points = {}
    for name, network in networks.items():
        noise = _noise((len(sequences_of(name)), 8, config.input.size, config.input.size))
        answer = probabilities(as_shipped(network), noise, dimensions=2)
        cut = float(np.clip(np.quantile(answer, 1 - CALLED_SHARE), 0.01, 0.99))
        points[name] = {"threshold": 0.01, "mask_threshold": cut, "chosen": "not: random weights"}
    save_model(
        folder,
        config=config,
        networks=networks,
        calibration=dict.fromkeys(networks, fit_calibration(np.zeros((0, len(FEATURES))), np.zeros(0, dtype=bool))),
        operating_point=points,
        training_data=_NOTHING,
        metrics={},
    )


def _untrained_tumor(folder: Path) -> None:
    from osteon.networks.faster_rcnn import build_detector
    from osteon.networks.sequence_classifier import SequenceClassifier
    from osteon.systems.tumor.age import make_table
    from osteon.systems.tumor.answers import Pair
    from osteon.systems.tumor.bundle import save_model
    from osteon.systems.tumor.config import TumorConfig
    from osteon.systems.tumor.detector import net_config
    from osteon.systems.tumor.fusion import ChosenWeights

    config = TumorConfig()
    config = replace(config, weights="none", detector=replace(config.detector, threshold=0.01))
    pair = Pair(
        detector=build_detector(net_config(config.detector)),
        sequence=SequenceClassifier(config.sequence.backbone, frames=config.sequence.frames),
        started_from="none",
    )
    save_model(
        folder,
        config=config,
        pair=pair,
        table=make_table([50.0, 60.0], [False, True], edges=config.age.edges, prior=config.age.prior),
        chosen=ChosenWeights(weights=(0.45, 0.45, 0.1), accuracy=0.5, auc=0.5),
        training_data=_NOTHING,
        metrics={},
    )


def _untrained_fracture(folder: Path) -> None:
    from osteon.systems.fracture.bundle import save_model
    from osteon.systems.fracture.config import FractureConfig
    from osteon.systems.fracture.network import build_network

    config = FractureConfig()
    save_model(
        folder,
        config=config,
        network=build_network(config),
        started_from="none",
        training_data=_NOTHING,
        metrics={},
    )


_NOTHING = {"kind": "phantom", "description": "nothing: random weights", "fingerprint": "", "fingerprints": []}


def _noise(shape: tuple[int, ...]) -> Any:
    return np.random.default_rng(SEED).integers(0, 256, shape).astype(np.uint8)


def run_reference(system: str, study: Path, model: str) -> None:
    """Read the series by SimpleITK and put noise through the networks; imports, as in a reading, are part of it."""
    import SimpleITK as sitk  # noqa: N813

    from osteon.cli.arguments import open_model

    count = 0
    for folder in sorted(path for path in study.iterdir() if path.is_dir()):
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
        image = sitk.GetArrayFromImage(reader.Execute())
        count += 1
    _, loaded = open_model(model, device="cpu")
    _FORWARD[system](loaded, count, image.shape)


def _forward_metastasis(model: Any, count: int, shape: tuple[int, ...]) -> None:
    from osteon.systems.metastasis.config import sequences_of
    from osteon.systems.metastasis.network import probabilities

    name, network = next(iter(model.networks.items()))
    side = model.config.input
    noise = _noise((len(sequences_of(name)), side.slices, side.size, side.size))
    probabilities(network, noise, dimensions=model.config.network.dimensions)


def _forward_tumor(model: Any, count: int, shape: tuple[int, ...]) -> None:
    import torch

    side, frames = model.config.detector.image_px, model.config.sequence
    with torch.no_grad():
        for _ in range(count):
            for _ in range(shape[0]):
                model.pair.detector([torch.rand(3, side, side)])
            model.pair.sequence(torch.rand(1, frames.frames, frames.side, frames.side))


def _forward_fracture(model: Any, count: int, shape: tuple[int, ...]) -> None:
    import torch

    from osteon.systems.fracture.config import CHANNELS

    with torch.no_grad():
        model.network(torch.rand(3, CHANNELS, model.config.side_px, model.config.side_px))


_FORWARD: dict[str, Callable[[Any, int, tuple[int, ...]], None]] = {
    "metastasis": _forward_metastasis,
    "tumor": _forward_tumor,
    "fracture": _forward_fracture,
}


def read(study: Path, out: Path, model: str, *, threads: int, extra: Sequence[str]) -> Cost:
    """One `osteon read` in a fresh process."""
    arguments = ["read", model, str(study), "--out", str(out), "--device", "cpu", "--jobs", str(threads), *extra]
    return measure(OSTEON, arguments, threads=threads)


def profile(study: Path, out: Path, model: str, *, threads: int, extra: Sequence[str]) -> None:
    """Python functions by their own time and by that of all they call."""
    import cProfile
    import pstats
    import time

    import torch

    from osteon.cli.arguments import open_model
    from osteon.cli.read import check_place, read_path
    from osteon.systems.protocol import ReadOptions

    torch.set_num_threads(threads)
    point = next((one.split("=", 1)[1] for one in extra), "")
    box, point_mm = check_place("", point, [study])
    profiler = cProfile.Profile(time.process_time)  # CPU seconds: other work does not count
    started = time.process_time()
    profiler.enable()
    system, loaded = open_model(model, device="cpu")
    read_path(study, system, loaded, out=out, options=ReadOptions(jobs=threads, box=box, point_mm=point_mm))
    profiler.disable()
    print(f"CPU {time.process_time() - started:.1f} s under the profiler, imports included")
    for order in ("tottime", "cumtime"):
        pstats.Stats(profiler).sort_stats(order).print_stats(45)


def spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("system", choices=sorted(SIZES))
    parser.add_argument("--model", default="", help="bundle folder; else the one that ships, else random weights")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--slices", type=int, default=0)
    parser.add_argument("--matrix", type=int, default=0)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--reference", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.reference:
        run_reference(options.system, options.reference, options.model)
        return
    slices, matrix = options.slices or SIZES[options.system][0], options.matrix or SIZES[options.system][1]
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        extra = make_study(root / "study", options.system, slices=slices, matrix=matrix)
        model, kind = _model(options.model, options.system, root / "model")
        if options.profile:
            profile(root / "study", root / "profiled", model, threads=options.threads, extra=extra)
            return
        costs, references, stages = [], [], {}
        for number in range(options.runs):
            out = root / f"out-{number}"
            costs.append(read(root / "study", out, model, threads=options.threads, extra=extra))
            reading = json.loads((out / "reading.json").read_text())
            stages = reading["provenance"]["timings_s"]
            again = [options.system, "--reference", str(root / "study"), "--model", model]
            references.append(measure(__file__, again, threads=options.threads))
        count = len([path for path in (root / "study").iterdir() if path.is_dir()])
    _show(options.system, costs, references, kind=kind, threads=options.threads)
    print(f"{count} sequences of {slices} x {matrix} x {matrix}; {len(reading['findings'])} findings; stages: {stages}")


def _model(given: str, system: str, folder: Path) -> tuple[str, str]:
    """What `osteon read` is given as its model, and how to call it."""
    from osteon.cli.arguments import bundle_folder
    from osteon.errors import OsteonError

    if given:
        return given, "given model"
    try:
        bundle_folder(system)
    except OsteonError:
        write_untrained(system, folder)
        return str(folder), "default configuration, random weights"
    return system, "shipped model"


def _show(system: str, costs: Sequence[Cost], references: Sequence[Cost], *, kind: str, threads: int) -> None:
    seconds, gibibytes = TARGETS[system]
    pairs = list(zip(costs, references, strict=True))
    wall, cpu = ([getattr(a, key) / getattr(b, key) for a, b in pairs] for key in ("wall_s", "cpu_s"))
    print(f"{system}, {kind}; {hardware(threads)}, no GPU; {len(costs)} runs: median (range)")
    print(f"wall {spread([one.wall_s for one in costs])} s (target {seconds:g} s)")
    print(f"CPU {spread([one.cpu_s for one in costs])} s")
    print(f"peak memory {max(one.peak_gib for one in costs):.2f} GiB (target {gibibytes:g} GiB)")
    print(
        f"SimpleITK and the networks alone: wall {spread([one.wall_s for one in references])} s, "
        f"CPU {spread([one.cpu_s for one in references])} s"
    )
    print(f"osteon read / SimpleITK and the networks alone: wall {spread(wall)}, CPU {spread(cpu)}")


if __name__ == "__main__":
    sys.exit(main())
