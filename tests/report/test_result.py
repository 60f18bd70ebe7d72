from __future__ import annotations

import json

import numpy as np
import pytest

from osteon.report.result import Plot, TableData, to_document, to_plain
from tests.report.results import small_result


def test_the_document_holds_every_figure_with_interval_n_rule_and_method():
    document = json.loads(json.dumps(to_document(small_result()), allow_nan=False))
    assert document["schema"] == "osteon-stats/1"
    figure = document["sections"][0]["figures"][0]
    assert figure["counts"] == "47/50"
    assert figure["rule"] == "score >= 0.5"
    estimate = figure["estimate"]
    assert (estimate["value"], estimate["n"], estimate["method"], estimate["level"]) == (0.94, 50, "Wilson", 0.95)
    assert estimate["low"] == pytest.approx(0.8378, abs=1e-4)
    assert document["sections"][0]["figures"][1]["estimate"]["value"] is None  # nan
    assert document["sections"][0]["tests"][0]["p_holm"] == 0.0004
    assert document["settings"]["seed"] == 0


def test_the_plots_data_is_in_the_document():
    plots = to_document(small_result())["sections"][0]["plots"]
    assert plots[0]["data"]["series"][0]["x"][:2] == [0.0, 0.1]
    assert plots[3]["data"]["rows"][0]["high"] is None  # infinite


def test_plain_values():
    nested = {"a": np.array([1.0, np.nan]), 2: (np.int64(3), [np.float32(0.5)]), "b": np.bool_(True)}
    assert to_plain(nested) == {"a": [1.0, None], "2": [3, [0.5]], "b": True}


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="under 2 columns"):
        TableData(title="t", columns=("a", "b"), rows=((1,),))
    with pytest.raises(ValueError, match="'pie'"):
        Plot(kind="pie", title="t", data={})
