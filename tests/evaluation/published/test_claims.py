from __future__ import annotations

import numpy as np
import pytest

from osteon.evaluation.published.claims import (
    Range,
    number_claim,
    pooled_mean,
    printed_range,
    share_claim,
    sum_claim,
    value_text,
)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("0.73", 0.725, 0.735),
        ("41%", 0.405, 0.415),
        ("79.89%", 0.79885, 0.79895),
        ("13.1", 13.05, 13.15),
        ("-0.071", -0.0715, -0.0705),
        ("9", 8.5, 9.5),
    ],
)
def test_a_printed_number_stands_for_all_that_round_to_it(text, low, high):
    found = printed_range(text)
    assert (found.low, found.high) == pytest.approx((low, high))


def test_below_is_below():
    assert number_claim("", "p", "<0.001", 0.0009, how="").follows
    assert not number_claim("", "p", "<0.001", 0.001, how="").follows


def test_a_share_follows_where_its_counts_round_to_it():
    assert share_claim("Table 1", "x", "34%", (48, 140)).follows
    wrong = share_claim("Table 1", "x", "41%", (48, 140))
    assert not wrong.follows
    assert wrong.recomputed.startswith("34.3% (26.9% to 42.5%)")  # Wilson
    assert wrong.how == "48/140; Wilson"


def test_half_up_and_half_down_both_follow():
    assert number_claim("", "x", "0.13", 0.125, how="").follows
    assert number_claim("", "x", "0.12", 0.125, how="").follows


def test_ranges_meet_or_do_not():
    assert number_claim("", "x", "11.6", Range(low=11.64, high=11.7), how="").follows
    assert not number_claim("", "x", "11.5", Range(low=11.6, high=11.7), how="").follows


def test_sums():
    assert sum_claim("", "patients", 52, [18, 18, 7, 2, 1, 1, 1, 4]).follows
    wrong = sum_claim("", "patients", 52, [18, 18, 7, 2, 1, 1, 1, 3])
    assert (wrong.follows, wrong.recomputed) == (False, "51")


def test_a_pooled_mean_knows_its_rounding():
    found = pooled_mean(["60.0", "70.0"], [1, 3])
    assert (found.low, found.high) == pytest.approx((67.45, 67.55))


def test_text_has_one_digit_more_than_print():
    assert value_text(0.342857, "41%") == "34.3%"
    assert value_text(0.72667, "0.7227") == "0.72667"
    assert value_text(2.3e-12, "<0.001") == "2.3e-12"
    with pytest.raises(ValueError, match="about half"):
        printed_range("about half")


def test_every_value_that_rounds_to_a_print_follows():
    rng = np.random.default_rng(0)
    for value in rng.random(500):
        assert number_claim("", "x", f"{value:.3f}", float(value), how="").follows
        assert not number_claim("", "x", f"{value + 0.002:.3f}", float(value), how="").follows
