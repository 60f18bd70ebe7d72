from __future__ import annotations

import numpy as np
import pytest

from osteon.phantom.mr.protocol import STUDIES, draw_protocol


def protocols(study: str, centre: str, profile: str) -> list:  # type: ignore[type-arg]
    return [draw_protocol(np.random.default_rng(k), study=study, centre=centre, profile=profile) for k in range(40)]


@pytest.mark.parametrize("centre", ["a", "b", "c"])
@pytest.mark.parametrize("study", sorted(STUDIES))
def test_series_of_a_study(study: str, centre: str) -> None:
    for protocol in protocols(study, centre, "small"):
        roles = [one.role for one in protocol.sequences]
        expected = [role for role in STUDIES[study] if not (centre == "b" and role == "fo")]
        assert roles == expected
        assert protocol.sequence("t1").weighting == "T1"
        assert not protocol.sequence("t1").enhanced


def test_three_vendors() -> None:
    vendors = {centre: {p.vendor for p in protocols("metastasis", centre, "full")} for centre in "abc"}
    assert vendors == {"a": {"SIEMENS"}, "b": {"GE MEDICAL SYSTEMS"}, "c": {"Philips Medical Systems"}}


def test_matrices_slices_and_thickness_of_the_metastasis_study() -> None:
    full = [p for centre in "abc" for p in protocols("metastasis", centre, "full")]
    small = protocols("metastasis", "a", "small")
    assert {p.thickness_mm for p in full} == {3.0, 4.0}
    assert {p.field_t for p in full} == {1.5, 3.0}
    assert {p.stations for p in full} == {2, 3}
    matrices = {p.sequence("t1").matrix for p in full}
    assert (min(matrices), max(matrices)) == (320, 1296)
    assert all(192 <= p.sequence("t1").matrix <= 256 for p in small)
    assert all(11 <= p.slices <= 24 for p in (*full, *small))
    for p in full:
        assert max(p.sequence("t1").acquired) <= 512  # larger ones are interpolated


def test_stir_or_saturation_on_t2() -> None:
    ways = {p.sequence("fs-t2").fat for p in protocols("tumor", "a", "full")}
    assert ways == {"nulled", "saturated"}


def test_a_missing_role_is_named() -> None:
    with pytest.raises(KeyError, match=r"no sequence for 'fo'; there are \['t1', 'ce'\]"):
        protocols("metastasis", "b", "small")[0].sequence("fo")
