from __future__ import annotations

import pytest

from osteon.errors import UsageError
from osteon.phantom.options import PhantomOptions, uid_seed


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"system": "hair"}, "no phantoms for system 'hair'"),
        ({"profile": "large"}, r"profile 'large': expected one of \['small', 'full'\]"),
        ({"patients": 0}, "0 patients"),
        ({"seed": -1}, "seed -1"),
        ({"mean_lesions": -2.0}, "mean lesion count -2.0"),
        ({"mean_lesions": float("nan")}, "mean lesion count nan"),
        ({"mean_lesions": 1e12}, r"mean lesion count 1000000000000\.0: expected a number from 0 to 1000"),
        ({"mean_lesions": float("inf")}, "mean lesion count inf"),
        ({"centres": "ad"}, "centres 'ad'"),
        ({"centres": "aa"}, "each once"),
        ({"healthy": 0.95}, r"share of healthy patients 0\.95: expected a number from 0 to 0\.9"),
        ({"healthy": -0.1}, "share of healthy patients -0.1"),
        ({"healthy": float("nan")}, "share of healthy patients nan"),
        ({"healthy": 0.2, "system": "fracture"}, "healthy patients of system 'fracture': there are none"),
        ({"diffuse": 1.5}, "share of infiltrated patients 1.5"),
        ({"diffuse": 0.5, "system": "tumor"}, "infiltrated patients of system 'tumor': only lytic has them"),
        ({"diffuse": 0.8}, "0.25 of the patients healthy and 0.8 infiltrated"),
        ({"diffuse": 0.2, "healthy": 0.9}, "0.9 of the patients healthy and 0.2 infiltrated"),
        ({"range_mm": (10.0, 20.0)}, "at least 20 mm apart"),
        ({"range_mm": (100.0, 0.0)}, "the lower one first"),
        ({"range_mm": (0.0, 9000.0)}, "between -500 and 800 mm"),
        ({"range_mm": (float("nan"), 100.0)}, "range nan to 100 mm"),
    ],
)
def test_impossible_options_are_named(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        PhantomOptions(**wrong)  # type: ignore[arg-type]


def test_cases_systems_and_centres_have_their_own_uids() -> None:
    one, two = PhantomOptions(system="metastasis"), PhantomOptions(system="metastasis", centres="b")
    seeds = {uid_seed(options, name) for options in (PhantomOptions(), one, two) for name in ("p0000", "p0010")}
    assert len(seeds) == 6
    shares = [{}, {"healthy": 0.0}, {"healthy": 0.5}, {"diffuse": 0.5}]
    assert len({uid_seed(PhantomOptions(**one), "p0000") for one in shares}) == 4


def test_folders_made_before_an_option_came_go_on() -> None:
    before = {"system", "patients", "seed", "profile", "range_mm", "mean_lesions", "centres"}
    assert set(PhantomOptions().document()) == before
    assert set(PhantomOptions(healthy=0.0).document()) == before | {"healthy"}
    assert PhantomOptions(diffuse=0.5).document()["diffuse"] == 0.5
