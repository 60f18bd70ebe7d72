"""What does not follow in the five studies, and that it comes from the arithmetic: other counts, other answers."""

from __future__ import annotations

import ast
import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest

import osteon.evaluation.published
from osteon.errors import UsageError
from osteon.evaluation.published import NAMES, load_facts, study_claims
from osteon.evaluation.published.differential import READINGS, fit_reading


def slips(study, facts=None):
    return {claim.item: claim for claim in study_claims(study, facts) if claim.follows is False}


def test_the_differential_studys_columns_are_exchanged():
    found = slips("differential")
    columns = found["meaning of the columns"]
    assert "sensitivity and PPV, specificity and NPV exchanged: 150 + 150 images, 7 of 7 fit" in columns.recomputed
    assert "no split of the 300 images fits more than 2 of 7" in columns.how
    assert "the printed value is the PPV (79.885%)" in found["densenet121: sensitivity"].how
    kappa = found["mobilenet: kappa"]
    assert (kappa.printed, kappa.recomputed) == ("0.7227", "0.72667")
    assert not any(name.endswith(("accuracy", "F1")) for name in found)
    assert [name for name in found if name.endswith("kappa")] == ["mobilenet: kappa"]


def test_the_fracture_studys_slips():
    found = slips("fracture")
    share = found["homogeneous marrow signal: benign"]
    assert (share.printed, share.recomputed[:5]) == ("41%", "34.3%")
    cleft = found["fluid or necrotic cleft: p"]
    assert (cleft.printed, round(float(cleft.recomputed), 2)) == ("0.045", 0.45)
    protrusion = found["anterior posterior protrusion: p"]
    assert (protrusion.printed, protrusion.recomputed) == ("0.07", "0.006")
    mcnemar = found["McNemar, sensitivity: resident year 1 v resnet50"]
    assert (mcnemar.printed, mcnemar.recomputed) == ("<0.001", "at least 0.0078")


def test_the_metastasis_studys_predictive_values():
    found = slips("metastasis")
    for model, printed in (("T1+CE", "0.794"), ("T1", "0.708"), ("CE", "0.409")):
        claim = found[f"{model}: per-lesion PPV"]
        assert claim.printed == printed
        assert "several predictions may hit one lesion" in claim.how


def test_what_else_does_not_follow():
    assert slips("lytic") == {}
    assert set(slips("tumor")) == {"labelled images per sequence", "Det-Seq-Age higher than D2 images+age in both"}
    assert slips("differential")["patients over primary tumours"].recomputed == "51"
    assert slips("differential")["SD of the age"].recomputed == "at least 5.97"
    assert slips("fracture")["features with p < 0.001"].recomputed == "9.0"
    assert slips("fracture")["mean age"].recomputed == "66.88 to 66.98"
    assert slips("fracture")["McNemar, specificity: resnet50 v resident year 4"].recomputed == "at least 0.0156"
    assert "T1: per-lesion PPV in the text" in slips("metastasis")
    assert slips("metastasis")["train: lesions per patient"].recomputed == "15.47"


def test_most_figures_follow():
    for study in NAMES:
        claims = study_claims(study)
        assert sum(claim.follows is True for claim in claims) >= max(15, len(claims) // 2)
        assert len({(claim.where, claim.item) for claim in claims}) == len(claims), study


def test_mended_prints_follow():
    facts = copy.deepcopy(load_facts("fracture"))
    facts["also_printed"]["feature_percent"]["homogeneous_marrow_signal"][1] = "34%"
    facts["features"]["fluid_or_necrotic_cleft"][2] = "0.45"
    facts["also_printed"]["age_mean"] = "66.9"
    found = slips("fracture", facts)
    for item in ("homogeneous marrow signal: benign", "fluid or necrotic cleft: p", "mean age"):
        assert item not in found
        assert item in slips("fracture")


def test_broken_prints_do_not():
    facts = copy.deepcopy(load_facts("lytic"))
    facts["also_printed"]["kappa_ci95"][0] = "0.70"
    facts["female"] = 19
    assert set(slips("lytic", facts)) == {"patients", "female", "kappa, lower end of 95 % CI"}
    facts = copy.deepcopy(load_facts("tumor"))
    facts["also_printed"]["table3"]["Det"][0] = "0.731"
    assert "Det: accuracy" in slips("tumor", facts)
    facts = copy.deepcopy(load_facts("metastasis"))
    facts["sensitivity"]["T1"]["all"][2] = 136
    assert {"T1, external, all cm3: sensitivity", "T1, external: lesions hit"} <= set(slips("metastasis", facts))


def test_a_table_whose_columns_are_right_is_read_as_printed():
    table = load_facts("differential")["also_printed"]["table2"]
    mended = {model: [row[2], row[3], row[0], row[1], *row[4:]] for model, row in table.items()}
    facts = copy.deepcopy(load_facts("differential"))
    facts["also_printed"]["table2"] = mended
    found = slips("differential", facts)
    assert "meaning of the columns" not in found
    assert [name for name in found if ": " in name] == ["mobilenet: kappa"]


def test_exactly_one_reading_fits_all_networks():
    table = load_facts("differential")["also_printed"]["table2"]
    fitted = {reading: len(fit_reading(table, images=300, reading=reading).counts) for reading in READINGS}
    assert sorted(fitted.values())[-1] == 7
    assert sum(count == 7 for count in fitted.values()) == 1


def test_no_answer_is_written_down():
    """The code that recomputes holds no printed figure: neither the slips' values nor any other share."""
    folder = Path(osteon.evaluation.published.__path__[0])
    allowed = {0.0, 0.5, 1.0, 2.0, 10.0, 100.0, 0.001, 1.959964}
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, float):
                assert abs(node.value) in allowed or abs(node.value) < 1e-6, (path.name, node.value)


def test_the_facts_are_those_of_the_shared_files():
    shared = Path(__file__).parents[4] / "shared" / "published"
    if not shared.is_dir():
        pytest.skip("no ../shared/published here to compare with")
    for study in NAMES:
        expected = json.loads((shared / f"{study}.json").read_text(encoding="utf-8"))
        facts = load_facts(study)
        assert {key: facts[key] for key in expected} == expected


def test_an_unknown_study_is_refused():
    with pytest.raises(UsageError, match="'bone'"):
        load_facts("bone")


def test_the_facts_need_no_heavy_library():
    code = (
        "import sys, osteon.evaluation.published as p; p.study_claims('lytic');"
        "print([n for n in ('torch', 'pydicom', 'matplotlib', 'pandas') if n in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
