"""A small result with one plot of every kind, for the tests of the report."""

from __future__ import annotations

import numpy as np

from osteon.evaluation.estimate import Estimate
from osteon.evaluation.intervals import proportion
from osteon.report.result import Figure, Plot, Section, StatsResult, TableData, TestResult

TRICKY = "<script>alert('x')</script> & $x^2$ [bold]"


def every_plot() -> tuple[Plot, ...]:
    rng = np.random.default_rng(0)
    x = np.linspace(0, 1, 11)
    curve = {"name": TRICKY, "x": x, "y": np.sqrt(x), "low": x, "high": np.minimum(1, x + 0.4)}
    point = {"name": "operating point", "style": "point", "x": [0.2], "y": [0.6], "y_interval": [[0.5, 0.7]]}
    froc = {"name": "FROC", "x": [0.125, 1, 8], "y": [0.2, 0.5, 0.9], "step": True}
    rows = [
        {"name": TRICKY, "value": 2.0, "low": 0.5, "high": float("inf"), "text": "2.0"},
        {"name": "none", "value": float("nan"), "low": float("nan"), "high": float("nan"), "text": "not defined"},
        {"name": "zero", "value": 0.0, "low": 0.0, "high": 3.0, "text": "0"},
    ]
    labels = {"x_label": "x", "y_label": "y"}
    share = {"value": [0.1, 0.2], "low": [0.0, 0.1], "high": [0.3, float("nan")]}
    return (
        Plot(kind="curves", title="ROC", data={"series": [curve, point], "diagonal": True, **labels}, caption=TRICKY),
        Plot(kind="curves", title="FROC", data={"series": [froc], "x_log": True, "x_limits": [0.1, 10], **labels}),
        Plot(
            kind="confusion",
            title="Confusion",
            data={"counts": [[47, 3], [0, 0]], "row_names": ["a", "b"], "column_names": ["a", "b"]},
        ),
        Plot(kind="forest", title="Forest", data={"rows": rows, "x_label": "OR", "x_log": True, "reference": 1.0}),
        Plot(kind="forest", title="Empty", data={"rows": rows[1:2], "x_label": "difference"}),
        Plot(
            kind="reliability",
            title="Reliability",
            data={"predicted": [0.1, 0.9], "observed": [0.2, 0.8], "low": [0.0, 0.6], "high": [0.4, 0.9], "n": [5, 9]},
        ),
        Plot(
            kind="bland-altman",
            title="Agreement",
            data={
                **{"mean": rng.normal(size=20), "difference": rng.normal(size=20), "unit": "mm"},
                **{"bias": [0.1, -0.1, 0.3], "lower": [-2, -3, -1], "upper": [2, 1, 3]},
            },
        ),
        Plot(
            kind="bars",
            title="Locations",
            data={"categories": ["neck", TRICKY], "series": [{"name": "R1", **share}], "y_label": "error rate"},
        ),
    )


def small_result() -> StatsResult:
    nothing = Estimate(value=float("nan"), n=0, unit="cases", method="Wilson")
    figures = (
        Figure(name="sensitivity", estimate=proportion(47, 50), counts="47/50", rule="score >= 0.5", group=TRICKY),
        Figure(name="specificity", estimate=nothing, counts="0/0", rule="score >= 0.5"),
    )
    tests = (
        TestResult(name="McNemar", comparison="A - B", p=0.00021, n=50, unit="cases", statistic=13.7, p_holm=0.0004),
        TestResult(name="McNemar", comparison="A - C", p=float("nan"), n=50, unit="cases"),
    )
    table = TableData(title="Counts", columns=("what", "n", "share"), rows=((TRICKY, 3, 0.25), ("b", 4, 1e-7)))
    section = Section(title="First", figures=figures, tests=tests, tables=(table,), plots=every_plot(), notes=(TRICKY,))
    return StatsResult(
        verb="classify",
        title="Result of " + TRICKY,
        inputs=("a.csv", TRICKY),
        settings={"seed": 0, "positive": TRICKY},
        sections=(section, Section(title="Second")),
        warnings=(TRICKY,),
    )
