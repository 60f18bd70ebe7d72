"""Weighted sums, majorities and ties against cases computed by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from osteon.systems.tumor.fusion import (
    PUBLISHED,
    STRATEGIES,
    FusionPatient,
    SequenceScores,
    choose_weights,
    decide,
    fuse,
    sequence_vote,
    strategy_weights,
    weight_grid,
)


def scores(sequence: float, *detector: float) -> SequenceScores:
    return SequenceScores(detector=np.array(detector), sequence=sequence)


def test_the_printed_weights_by_hand() -> None:
    found = fuse(np.array([0.2, 0.9]), 0.6, 0.5, PUBLISHED)
    np.testing.assert_allclose(found, [0.45 * 0.2 + 0.45 * 0.6 + 0.05, 0.45 * 0.9 + 0.45 * 0.6 + 0.05])
    # Det-Age: printed weights 0.45, 0, 0.1 do not add up to 1; the larger sum of the two classes is malignant
    weights = strategy_weights("Det-Age", PUBLISHED)
    bad, good = 0.45 * 0.45 + 0.1 * 0.8, 0.45 * 0.55 + 0.1 * 0.2
    assert (fuse(np.array([0.45]), 0.0, 0.8, weights)[0] >= 0.5) == (bad >= good)
    assert fuse(np.array([0.45]), 0.0, 0.8, weights)[0] == pytest.approx(bad / (bad + good))


def test_an_unknown_age_is_left_out() -> None:
    np.testing.assert_allclose(fuse(np.array([0.2]), 0.6, None, PUBLISHED), [0.4])


def test_strategies_use_what_their_names_say() -> None:
    for name in STRATEGIES:
        used = [weight > 0 for weight in strategy_weights(name, PUBLISHED)]
        assert used == [part in name.split("-") for part in ("Det", "Seq", "Age")]


@pytest.mark.parametrize(
    ("images", "malignant", "tie"),
    [
        ((0.6, 0.6, 0.1), True, False),  # two of three, though the mean is 0.43
        ((0.9, 0.4, 0.4), False, False),  # one of three, though the mean is 0.57
        ((0.9, 0.4), True, True),  # one of two: mean 0.65
        ((0.6, 0.1), False, True),  # one of two: mean 0.35
        ((0.7, 0.3), True, True),  # one of two, mean one half: malignant
        ((0.5,), True, False),  # an image of one half is malignant
    ],
)
def test_majority_of_images(images: tuple[float, ...], malignant: bool, tie: bool) -> None:
    vote = sequence_vote(np.array(images))
    assert (vote.malignant, vote.tie) == (malignant, tie)


@pytest.mark.parametrize(
    ("sequences", "malignant", "tie"),
    [
        ([scores(0, 0.6, 0.6), scores(0, 0.6), scores(0, 0.0)], True, False),
        ([scores(0, 0.9), scores(0, 0.4)], True, True),
        ([scores(0, 0.6), scores(0, 0.1)], False, True),
        ([scores(0, 0.7), scores(0, 0.3)], True, True),
        # as many sequences either way; each counts once, whatever its number of images: (0.9 + 0.2) / 2
        ([scores(0, 0.9), scores(0, 0.2, 0.2, 0.2, 0.2)], True, True),
    ],
)
def test_majority_of_sequences(sequences: list[SequenceScores], malignant: bool, tie: bool) -> None:
    verdict = decide(sequences, age=0.5, prevalence=0.5, strategy="Det", weights=PUBLISHED)
    assert (verdict.malignant, verdict.tie, verdict.rests_on) == (malignant, tie, "detections")


def test_the_sequence_model_alone_votes_by_sequence() -> None:
    sequences = [scores(0.6, 0.0, 0.0), scores(0.7, 0.1), scores(0.2, 0.9, 0.9)]
    verdict = decide(sequences, age=0.0, prevalence=0.5, strategy="Seq", weights=PUBLISHED)
    assert verdict.malignant
    assert verdict.probability == pytest.approx(0.5)
    assert [vote.malignant_images for vote in verdict.votes] == [2, 1, 0]


@pytest.mark.parametrize(
    ("strategy", "age", "wanted"),
    [
        ("Det-Seq-Age", 0.7, (True, 0.7, "age")),
        ("Det-Seq-Age", None, (False, 0.4, "prevalence")),
        ("Det-Seq", 0.7, (False, 0.4, "prevalence")),
    ],
)
def test_nothing_detected_still_gets_an_answer(strategy: str, age: float | None, wanted: tuple[object, ...]) -> None:
    verdict = decide([], age=age, prevalence=0.4, strategy=strategy, weights=PUBLISHED)
    assert (verdict.malignant, verdict.probability, verdict.rests_on) == wanted


def test_the_grid_has_every_sum_of_one_and_no_zero() -> None:
    grid = weight_grid(0.05)
    brute = {(a, b, c) for a, b, c in itertools.product(range(1, 21), repeat=3) if a + b + c == 20}
    assert {tuple(round(20 * w) for w in weights) for weights in grid} == brute
    assert any(np.allclose(weights, PUBLISHED) for weights in grid)


def test_weights_follow_what_is_right_out_of_fold() -> None:
    rng = np.random.default_rng(0)
    patients = []
    for k in range(40):
        bad = k % 2 == 0
        right = 0.9 if bad else 0.1
        patients.append(
            FusionPatient(
                sequences=(SequenceScores(detector=rng.random(3), sequence=right),),
                age=rng.random(),
                prevalence=0.5,
                malignant=bad,
            )
        )
    chosen = choose_weights(patients, step=0.05)
    assert chosen.accuracy == 1.0
    assert chosen.weights[1] > 0.45


def test_where_all_weights_are_alike_the_published_ones_are_taken() -> None:
    patients = [
        FusionPatient(sequences=(scores(p, p),), age=p, prevalence=0.5, malignant=p > 0.5) for p in (0.1, 0.9, 0.2, 0.8)
    ]
    assert choose_weights(patients, step=0.05).weights == pytest.approx(PUBLISHED)
