"""Multi-reader multi-case analysis of variance: Obuchowski and Rockette's model with Hillis' degrees of freedom.

The figure of merit of modality i and reader j is ``mu + modality_i + reader_j + interaction_ij + error_ij``; errors of
one study covary because readers share the cases: Cov1 (same reader, other modality), Cov2 (same modality, other
reader), Cov3 (both other). Obuchowski and Rockette, Commun Stat Simul 1995, 24:285; Hillis, Stat Med 2007, 26:596
and 2014, 33:330. Negative Cov2 - Cov3 (or Cov2 of one modality) count as 0, as there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from osteon.errors import UsageError
from osteon.evaluation.estimate import Estimate

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

NAN, INF = float("nan"), float("inf")


@dataclass(frozen=True, kw_only=True, slots=True)
class Components:
    """Mean squares, error (co)variances and variance components.

    Attributes:
        ms_modality, ms_reader, ms_interaction: mean squares; nan where there is one modality or one reader.
        var, cov1, cov2, cov3: error variance and covariances, averaged over the cells; nan where no pair exists.
        var_reader, var_interaction: variance components; they can come out negative.
    """

    ms_modality: float
    ms_reader: float
    ms_interaction: float
    var: float
    cov1: float
    cov2: float
    cov3: float
    var_reader: float
    var_interaction: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Inference:
    """An estimate with its standard error and test.

    Attributes:
        estimate: value and interval.
        standard_error: of the value.
        df: degrees of freedom of t; inf where it is a z test.
        statistic: t or z of the null value 0; nan for a single mean.
        p: two-sided; nan for a single mean.
    """

    estimate: Estimate
    standard_error: float
    df: float
    statistic: float = NAN
    p: float = NAN


@dataclass(frozen=True, kw_only=True, slots=True)
class MrmcResult:
    """What the analysis found.

    Attributes:
        values: (modalities, readers) figures of merit.
        components: of the model.
        f, df1, df2, p: global test that all modalities are equal (df2 is inf for fixed readers); nan with one modality.
        means: per modality, over readers.
        differences: (first, second) -> first - second, over readers.
        reader_differences: (reader, first, second) -> difference of this reader (fixed), cases random.
        reader_values: (modality, reader) -> value of this reader (fixed), cases random.
    """

    values: NDArray[np.float64]
    components: Components
    f: float
    df1: float
    df2: float
    p: float
    means: tuple[Inference, ...]
    differences: dict[tuple[int, int], Inference]
    reader_differences: dict[tuple[int, int, int], Inference]
    reader_values: dict[tuple[int, int], Inference]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Model:
    values: NDArray[np.float64]
    covariance: NDArray[np.float64]  # (modalities, readers, modalities, readers)
    random_readers: bool
    random_cases: bool
    level: float
    n: int
    method: str
    bounds: tuple[float, float]

    @property
    def shape(self) -> tuple[int, int]:
        return self.values.shape[0], self.values.shape[1]


def obuchowski_rockette(
    values: ArrayLike,
    covariance: ArrayLike,
    *,
    cases: int,
    random_readers: bool = True,
    random_cases: bool = True,
    level: float = 0.95,
    bounds: tuple[float, float] = (-INF, INF),
) -> MrmcResult:
    """Analyse a fully crossed reader study.

    Args:
        values: (modalities, readers) figures of merit.
        covariance: (modalities * readers,) squared, of their errors over cases.
        cases: number of cases, for the record.
        random_readers: the result shall hold for other readers (else for these readers only).
        random_cases: the result shall hold for other cases (else for these cases only).
        level: confidence level.
        bounds: smallest and largest possible value; intervals of values and of differences are cut there.

    Raises:
        UsageError: readers and cases both fixed; one reader taken as random; shapes that do not fit.
    """
    table = np.asarray(values, np.float64)
    matrix = np.asarray(covariance, np.float64)
    if table.ndim != 2 or matrix.shape != (table.size, table.size):
        raise UsageError(f"reader study: values {table.shape}, covariance {matrix.shape}; expected (i, j) and (ij, ij)")
    if not (random_readers or random_cases):
        raise UsageError("reader study: readers and cases both fixed leaves nothing to infer; let one be random")
    if random_readers and table.shape[1] < 2:
        raise UsageError("reader study: one reader cannot stand for a population; take readers as fixed")
    parts = (("random" if flag else "fixed") for flag in (random_readers, random_cases))
    model = _Model(
        values=table,
        covariance=matrix.reshape(*table.shape, *table.shape),
        random_readers=random_readers,
        random_cases=random_cases,
        level=level,
        n=cases,
        bounds=bounds,
        method="Obuchowski-Rockette, readers {}, cases {}".format(*parts),
    )
    components = _components(model)
    f, df1, df2, p = _global_test(model, components)
    modalities, readers = table.shape
    pairs = [(a, b) for a in range(modalities) for b in range(a + 1, modalities)]
    return MrmcResult(
        values=table,
        components=components,
        f=f,
        df1=df1,
        df2=df2,
        p=p,
        means=tuple(_mean(model, index) for index in range(modalities)),
        differences={pair: _difference(model, components, pair) for pair in pairs},
        reader_differences={
            (reader, *pair): _reader_difference(model, reader, pair) for reader in range(readers) for pair in pairs
        },
        reader_values={(m, r): _reader_value(model, m, r) for m in range(modalities) for r in range(readers)},
    )


def _mean_or_nan(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if values.size else NAN


def _covariances(covariance: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Var, Cov1, Cov2, Cov3: averages over the cells of (modalities, readers, modalities, readers)."""
    modalities, readers = covariance.shape[:2]
    same_modality = np.eye(modalities, dtype=bool)[:, None, :, None]
    same_reader = np.eye(readers, dtype=bool)[None, :, None, :]
    shape = covariance.shape
    kinds = (
        same_modality & same_reader,
        ~same_modality & same_reader,
        same_modality & ~same_reader,
        ~same_modality & ~same_reader,
    )
    var, cov1, cov2, cov3 = (_mean_or_nan(covariance[np.broadcast_to(kind, shape)]) for kind in kinds)
    return var, cov1, cov2, cov3


def _components(model: _Model) -> Components:
    table = model.values
    modalities, readers = model.shape
    rows, columns, grand = table.mean(axis=1), table.mean(axis=0), table.mean()
    residual = table - rows[:, None] - columns[None, :] + grand
    ms_modality = float(readers * ((rows - grand) ** 2).sum() / (modalities - 1)) if modalities > 1 else NAN
    ms_reader = float(modalities * ((columns - grand) ** 2).sum() / (readers - 1)) if readers > 1 else NAN
    freedom = (modalities - 1) * (readers - 1)
    ms_interaction = float((residual**2).sum() / freedom) if freedom else NAN
    var, cov1, cov2, cov3 = _covariances(model.covariance)
    return Components(
        ms_modality=ms_modality,
        ms_reader=ms_reader,
        ms_interaction=ms_interaction,
        var=var,
        cov1=cov1,
        cov2=cov2,
        cov3=cov3,
        var_reader=(ms_reader - ms_interaction) / modalities - cov1 + cov3,
        var_interaction=ms_interaction - var + cov1 + (cov2 - cov3),
    )


def _error_term(model: _Model, components: Components) -> tuple[float, float]:
    """Denominator of F (twice it, over the readers, is the variance of a difference) and its degrees of freedom."""
    modalities, readers = model.shape
    shared = max(components.cov2 - components.cov3, 0.0) if readers > 1 else 0.0
    if not model.random_readers:
        return components.var - components.cov1 + (readers - 1) * shared, INF
    freedom = (modalities - 1) * (readers - 1)
    if not model.random_cases:
        return components.ms_interaction, float(freedom)
    term = components.ms_interaction + readers * shared
    squared = components.ms_interaction**2
    return term, freedom * term**2 / squared if squared > 0 else INF


def _global_test(model: _Model, components: Components) -> tuple[float, float, float, float]:
    modalities = model.shape[0]
    if modalities < 2:
        return NAN, NAN, NAN, NAN
    term, df2 = _error_term(model, components)
    df1 = float(modalities - 1)
    f = components.ms_modality / term if term > 0 else NAN
    p = float(stats.chi2.sf(df1 * f, df1)) if np.isinf(df2) else float(stats.f.sf(f, df1, df2))
    return f, df1, df2, p


def _inference(model: _Model, value: float, variance: float, df: float, *, tested: bool) -> Inference:
    """Interval and test from a variance and its degrees of freedom (inf: normal)."""
    error = float(np.sqrt(variance)) if variance > 0 else (0.0 if variance == 0 else NAN)
    quantile = (
        float(stats.t.ppf(0.5 + model.level / 2, df))
        if np.isfinite(df)
        else float(stats.norm.ppf(0.5 + model.level / 2))
    )
    statistic = value / error if tested and error > 0 else NAN
    tail = stats.t.sf(abs(statistic), df) if np.isfinite(df) else stats.norm.sf(abs(statistic))
    width = model.bounds[1] - model.bounds[0]
    least, most = (-width, width) if tested else model.bounds
    half = quantile * error if error > 0 else NAN
    estimate = Estimate(
        value=value,
        low=float(np.maximum(least, value - half)),
        high=float(np.minimum(most, value + half)),
        n=model.n,
        unit="cases",
        method=model.method + (f", df {df:.2f}" if np.isfinite(df) else ", normal"),
        level=model.level,
    )
    return Inference(
        estimate=estimate, standard_error=error, df=df, statistic=statistic, p=2 * float(tail) if tested else NAN
    )


def _mean(model: _Model, modality: int) -> Inference:
    """Mean over readers of one modality, from that modality's readers and covariances alone."""
    row = model.values[modality]
    readers = len(row)
    own = model.covariance[modality, :, modality, :]
    var = float(np.diag(own).mean())
    cov2 = max(float(own[~np.eye(readers, dtype=bool)].mean()), 0.0) if readers > 1 else 0.0
    ms_reader = float(row.var(ddof=1)) if readers > 1 else NAN
    if not model.random_readers:
        variance, df = (var + (readers - 1) * cov2) / readers, INF
    elif not model.random_cases:
        variance, df = ms_reader / readers, float(readers - 1)
    else:
        term = ms_reader + readers * cov2
        variance = term / readers
        df = (readers - 1) * term**2 / ms_reader**2 if ms_reader > 0 else INF
    return _inference(model, float(row.mean()), variance, df, tested=False)


def _difference(model: _Model, components: Components, pair: tuple[int, int]) -> Inference:
    first, second = pair
    term, df = _error_term(model, components)
    value = float(model.values[first].mean() - model.values[second].mean())
    return _inference(model, value, 2 * term / model.shape[1], df, tested=True)


def _reader_difference(model: _Model, reader: int, pair: tuple[int, int]) -> Inference:
    """One reader, cases random: 2 (Var - Cov1) of this reader, averaged over the modalities."""
    own = model.covariance[:, reader, :, reader]
    modalities = len(own)
    var, cov1 = float(np.diag(own).mean()), float(own[~np.eye(modalities, dtype=bool)].mean())
    first, second = pair
    value = float(model.values[first, reader] - model.values[second, reader])
    return _inference(_single_reader(model), value, 2 * (var - cov1), INF, tested=True)


def _reader_value(model: _Model, modality: int, reader: int) -> Inference:
    variance = float(model.covariance[modality, reader, modality, reader])
    return _inference(_single_reader(model), float(model.values[modality, reader]), variance, INF, tested=False)


def _single_reader(model: _Model) -> _Model:
    return _Model(
        values=model.values,
        covariance=model.covariance,
        random_readers=False,
        random_cases=True,
        level=model.level,
        n=model.n,
        method="this reader, cases random",
        bounds=model.bounds,
    )
