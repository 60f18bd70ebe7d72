"""How each kind of plot is drawn on a matplotlib figure; ``osteon.report.plots`` says what data each wants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#777777")
DASHES: tuple[Any, ...] = ("solid", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "osteon",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "legend.handlelength": 3.2,
    "text.parse_math": False,
    "text.usetex": False,
}


def series_style(index: int) -> dict[str, Any]:
    """Colour, dash and marker of the series number ``index``; they repeat with different periods."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "linestyle": DASHES[index % len(DASHES)],
        "marker": MARKERS[index % len(MARKERS)],
    }


def _log_axis(axes: Any) -> None:
    """A logarithmic x axis with plain numbers: names are never read as mathematics, so 10^2 would not be set."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 300 * low else (1.0,)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def draw_curves(data: dict[str, Any], figure: Any) -> None:
    """ROC, FROC, precision-recall: lines with bands, single points, a chance diagonal."""
    figure.set_size_inches(4.4, 4.2)
    axes = figure.add_subplot()
    if data.get("diagonal"):
        axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.8, linestyle=(0, (2, 3)))
    for index, series in enumerate(data["series"]):
        _curve(axes, series, index=int(series.get("colour", index)))
    axes.set(xlabel=data["x_label"], ylabel=data["y_label"])
    if "x_limits" in data:
        axes.set_xlim(*data["x_limits"])
    if data.get("x_log"):
        _log_axis(axes)
    if "y_limits" in data:
        axes.set_ylim(*data["y_limits"])
    axes.legend(loc="best")


def _curve(axes: Any, series: dict[str, Any], *, index: int) -> None:
    style = series_style(index)
    x, y = np.asarray(series["x"], float), np.asarray(series["y"], float)
    label = series.get("label") or series["name"]
    if series.get("style") == "point":
        axes.plot(x, y, color=style["color"], marker=style["marker"], linestyle="none", markersize=6, label=label)
        _error_bars(axes, series, color=style["color"])
        return
    drawstyle = "steps-post" if series.get("step") else "default"
    every = max(1, len(x) // 6)
    axes.plot(
        x, y, drawstyle=drawstyle, linewidth=1.4, markersize=4, markevery=(every // 2, every), label=label, **style
    )
    if "low" in series:
        low, high = np.asarray(series["low"], float), np.asarray(series["high"], float)
        step = "post" if series.get("step") else None
        along = np.asarray(series.get("band_x", x), float)
        axes.fill_between(along, low, high, step=step, color=style["color"], alpha=0.14, linewidth=0)


def _error_bars(axes: Any, series: dict[str, Any], *, color: str) -> None:
    for key, vertical in (("y_interval", True), ("x_interval", False)):
        if key not in series:
            continue
        for x, y, (low, high) in zip(series["x"], series["y"], series[key], strict=True):
            ends = ([x, x], [low, high]) if vertical else ([low, high], [y, y])
            axes.plot(*ends, color=color, linewidth=0.8)


def draw_confusion(data: dict[str, Any], figure: Any) -> None:
    """A confusion matrix: grey by row share, the count and the share written in each cell."""
    from matplotlib.patches import Rectangle

    counts = np.asarray(data["counts"], float)
    figure.set_size_inches(1.6 + 0.95 * counts.shape[1], 1.3 + 0.75 * counts.shape[0])
    axes = figure.add_subplot()
    totals = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    axes.set(xlim=(-0.5, counts.shape[1] - 0.5), ylim=(counts.shape[0] - 0.5, -0.5))
    for (row, column), count in np.ndenumerate(counts):
        grey = f"{1 - 0.8 * share[row, column]:.3f}"  # rectangles, since a raster image would not be SVG
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=grey, edgecolor="black", linewidth=0.5))
        ink = "white" if share[row, column] > 0.6 else "black"
        axes.text(
            column, row, f"{count:g}\n{100 * share[row, column]:.1f} %", ha="center", va="center", color=ink, fontsize=9
        )
    axes.set_xticks(range(counts.shape[1]), data["column_names"])
    axes.set_yticks(range(counts.shape[0]), data["row_names"])
    axes.set(xlabel=data.get("x_label", "called"), ylabel=data.get("y_label", "ground truth"))
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(True)


def draw_forest(data: dict[str, Any], figure: Any) -> None:
    """A forest plot: one row an estimate, its interval as a line, its text at the right."""
    rows = data["rows"]
    figure.set_size_inches(6.4, 0.9 + 0.27 * len(rows))
    axes = figure.add_subplot()
    if data.get("reference") is not None:
        axes.axvline(data["reference"], color="#777777", linewidth=0.8, linestyle=(0, (2, 3)))
    left, right = _forest_limits(rows, log=bool(data.get("x_log")), reference=data.get("reference"))
    axes.set_xlim(left, right)
    if data.get("x_log"):
        _log_axis(axes)
    for index, row in enumerate(rows):
        value, low, high = (np.nan if row[key] is None else float(row[key]) for key in ("value", "low", "high"))
        axes.plot([max(low, left), min(high, right)], [index, index], color="black", linewidth=1.1)
        if np.isfinite(value) and left <= value <= right:
            axes.plot([value], [index], marker="s", color="black", markersize=5)
        elif not np.isnan(value):
            marker, edge = (">", right) if value > right else ("<", left)
            axes.plot([edge], [index], marker=marker, color="black", markersize=6, clip_on=False)
        axes.annotate(row.get("text", ""), (1.02, index), xycoords=("axes fraction", "data"), va="center", fontsize=8)
    axes.set_yticks(range(len(rows)), [row["name"] for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel(data["x_label"])
    axes.tick_params(axis="y", length=0)


def _forest_limits(rows: list[dict[str, Any]], *, log: bool, reference: float | None) -> tuple[float, float]:
    """Axis limits that hold every finite value and interval end; on a log axis no end may be 0."""
    ends = [float(row[key]) for row in rows for key in ("value", "low", "high") if row[key] is not None]
    finite = np.asarray([end for end in ends if np.isfinite(end) and (end > 0 or not log)])
    if reference is not None:
        finite = np.append(finite, reference)
    if finite.size == 0:
        return (0.1, 10.0) if log else (0.0, 1.0)
    if log:
        return float(max(finite.min() / 1.6, 1e-4)), float(min(finite.max() * 1.6, 1e5))
    pad = 0.05 * max(float(np.ptp(finite)), 1e-3)
    return float(finite.min() - pad), float(finite.max() + pad)


def draw_reliability(data: dict[str, Any], figure: Any) -> None:
    """Observed share against mean predicted probability, with the number of cases per bin below."""
    figure.set_size_inches(4.4, 5.0)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    predicted, observed = np.asarray(data["predicted"], float), np.asarray(data["observed"], float)
    low, high = np.asarray(data["low"], float), np.asarray(data["high"], float)
    upper.plot([0, 1], [0, 1], color="#999999", linewidth=0.8, linestyle=(0, (2, 3)))
    upper.vlines(predicted, low, high, color="black", linewidth=0.9)
    upper.plot(predicted, observed, color="black", marker="o", markersize=4.5, linewidth=1.2)
    upper.set(ylabel="observed share", xlim=(0, 1), ylim=(0, 1))
    lower.vlines(predicted, 0, np.asarray(data["n"], float), color="#555555", linewidth=5)
    lower.set(xlabel="predicted probability", ylabel="cases", ylim=(0, None))


def draw_bland_altman(data: dict[str, Any], figure: Any) -> None:
    """Differences against means, with bias and limits of agreement and their intervals."""
    figure.set_size_inches(5.2, 3.8)
    axes = figure.add_subplot()
    mean, difference = np.asarray(data["mean"], float), np.asarray(data["difference"], float)
    axes.plot(mean, difference, linestyle="none", marker="o", markersize=3.5, color="black", markerfacecolor="none")
    for key, dash in (("upper", DASHES[1]), ("bias", "solid"), ("lower", DASHES[1])):
        value, low, high = (np.nan if end is None else float(end) for end in data[key])
        axes.axhline(value, color="#0072B2", linestyle=dash, linewidth=1.2)
        axes.axhspan(low, high, color="#0072B2", alpha=0.12, linewidth=0)
        axes.annotate(f"{key} {value:.3g}", (1.01, value), xycoords=("axes fraction", "data"), va="center", fontsize=8)
    unit = f" ({data['unit']})" if data.get("unit") else ""
    axes.set(xlabel=f"mean of both{unit}", ylabel=f"difference{unit}")


def draw_bars(data: dict[str, Any], figure: Any) -> None:
    """Shares by category, one marker a series, with intervals: dots, not bars, so that intervals stay visible."""
    categories, series = data["categories"], data["series"]
    figure.set_size_inches(max(4.0, 1.2 + 0.9 * len(categories)), 3.6)
    axes = figure.add_subplot()
    width = 0.6 / max(1, len(series))
    for index, one in enumerate(series):
        style = series_style(index)
        x = np.arange(len(categories)) + (index - (len(series) - 1) / 2) * width
        low, high, value = (np.asarray(one[key], float) for key in ("low", "high", "value"))
        axes.vlines(x, low, high, color=style["color"], linewidth=1.0)
        axes.plot(x, value, linestyle="none", marker=style["marker"], color=style["color"], label=one["name"])
    axes.set_xticks(range(len(categories)), categories)
    axes.set_ylabel(data["y_label"])
    if "y_limits" in data:
        axes.set_ylim(*data["y_limits"])
    axes.legend(loc="best")


DRAWERS: tuple[tuple[str, Callable[[dict[str, Any], Any], None]], ...] = (
    ("curves", draw_curves),
    ("confusion", draw_confusion),
    ("forest", draw_forest),
    ("reliability", draw_reliability),
    ("bland-altman", draw_bland_altman),
    ("bars", draw_bars),
)
