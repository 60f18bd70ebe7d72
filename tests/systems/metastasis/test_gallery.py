"""Pictures of false positives show the place they are about."""

from __future__ import annotations

import base64
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from osteon.evaluation.overlap import overlap_counts
from osteon.evaluation.pairs import Pairs
from osteon.report.result import StatsResult
from osteon.report.stats_page import page_html
from osteon.systems.metastasis.calibrate import StationResult
from osteon.systems.metastasis.cases import StationCase
from osteon.systems.metastasis.gallery import MOST, MOST_OF_A_CAUSE, SIDE_PX, FalsePositive, gallery
from osteon.systems.metastasis.sections import UNKNOWN, Answers, Mimic, cause_section

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHAPE = (9, 100, 80)
"""Slices, rows and columns of the scan: not square, so that the networks' image has a margin."""
SPACING = (2.0, 2.0, 4.0)
SIZE = (12, 64, 64)
PLACE = (20, 30, 6)
"""Column, row and slice of the bright spot in the scan."""


def station(names: tuple[str, ...] = ("T1", "CE"), spot: tuple[int, int, int] = PLACE) -> StationCase:
    """Black but for one bright spot on CE."""
    grid_affine = np.diag([*SPACING, 1.0])
    bare = StationCase(
        case="p001", patient="p001", centre="a", cohort="c", phantom=True, index=0, series_uid="1.2.3", names=names,
        images=np.zeros((3, *SIZE), np.uint8), small=np.zeros(SIZE, np.uint16), lesions=np.zeros(SHAPE, np.uint16),
        numbers=(), volumes_cm3=(), affine=grid_affine, has_lesions=True, excluded="", moved={}, voxels="0" * 16,
    )  # fmt: skip
    volume = np.zeros(SHAPE, np.float32)
    x, y, z = spot
    volume[z, y - 2 : y + 3, x - 2 : x + 3] = 255
    images = np.zeros((3, *SIZE), np.uint8)
    images[2] = np.clip(bare.plan.to_fixed(volume), 0, 255).astype(np.uint8)
    return replace(bare, images=images)


def result(*centres: tuple[float, float, float], of: StationCase | None = None) -> StationResult:
    empty = np.zeros(0)
    return StationResult(
        station=of or station(),
        pixels=overlap_counts(np.zeros((1, 1, 1), bool), np.zeros((1, 1, 1), bool)),
        pairs=Pairs(prediction=empty.astype(np.intp), truth=empty.astype(np.intp), affinity=empty),
        features=np.zeros((len(centres), 3)),
        centres_mm=np.array(centres, dtype=np.float64).reshape(-1, 3),
        reach_mm=np.full(len(centres), 6.0),
    )


def spot_mm(spot: tuple[int, int, int] = PLACE) -> tuple[float, float, float]:
    x, y, z = (place * spacing for place, spacing in zip(spot, SPACING, strict=True))
    return x, y, z


def pixels(uri: str) -> NDArray[np.uint8]:
    data = base64.b64decode(uri.split(",", 1)[1])
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE), dtype=np.uint8)


@pytest.mark.parametrize("spot", [PLACE, (3, 5, 1), (77, 97, 7)])
def test_the_box_lies_on_what_is_shown(spot: tuple[int, int, int]) -> None:
    own = result(spot_mm(spot), of=station(spot=spot))
    (picture,) = gallery([FalsePositive(cause="vein", result=own, number=0, score=0.7)])
    shown = pixels(picture.uri)
    assert shown.shape == (SIDE_PX, 2 * SIDE_PX) == (picture.height, picture.width)
    assert shown[:, : SIDE_PX - 4].max() < 60  # T1, beside CE
    bright = np.argwhere(shown > 0.6 * shown.max()).mean(axis=0)
    box = picture.rectangles[1]
    middle = np.array([box.y + box.height / 2, box.x + box.width / 2])
    assert np.abs(bright + 0.5 - middle).max() < 3
    assert box.width == pytest.approx(12.0 * SIDE_PX / 70, rel=0.1)  # 12 mm of 70
    assert picture.caption == "vein: p001, station 1, 12 mm, probability 0.70; T1 and CE"


def test_the_surest_of_every_cause_come_first() -> None:
    own = result(spot_mm())
    found = [FalsePositive(cause="vein", result=own, number=0, score=score) for score in (0.2, 0.9, 0.5)]
    found += [FalsePositive(cause="node", result=own, number=0, score=0.99)]
    shown = [picture.caption.split(":")[0] + picture.caption.split("probability ")[1][:4] for picture in gallery(found)]
    assert shown == ["vein0.90", "vein0.50", "node0.99"]
    many = [FalsePositive(cause=f"c{k}", result=own, number=0, score=0.5) for k in range(30)]
    assert len(gallery(many)) == MOST
    assert max(Counter(one.caption.split(":")[0] for one in gallery(found)).values()) == MOST_OF_A_CAUSE
    assert gallery([]) == ()


def test_one_sequence_alone_is_shown_alone() -> None:
    own = result(spot_mm(), of=station(names=("CE",)))
    (picture,) = gallery([FalsePositive(cause="vein", result=own, number=0, score=0.7)])
    assert (picture.width, len(picture.rectangles)) == (SIDE_PX, 1)


def test_the_section_has_the_pictures_with_and_without_a_table() -> None:
    own = result(spot_mm(), (10.0, 180.0, 8.0))
    near = Mimic(kind="vein", centre_mm=spot_mm(), diameter_mm=9.0)
    scores = (np.array([0.9, 0.8]),)
    with_table = cause_section(Answers(results=(own,), scores=scores, threshold=0.5, mimics={"p001": (near,)}))
    assert [picture.caption.split(":")[0] for picture in with_table.gallery] == ["no mimic near", "vein"]
    assert {row[0]: row[1] for row in with_table.tables[0].rows} == {"no mimic near": 1, "vein": 1}
    without = cause_section(Answers(results=(own,), scores=scores, threshold=0.85, mimics={}))
    assert [picture.caption.split(":")[0] for picture in without.gallery] == [UNKNOWN]
    page = page_html(StatsResult(verb="evaluate", title="t", inputs=(), sections=(with_table,)))
    assert page.count("data:image/jpeg") == 2
