from __future__ import annotations

import pytest

from osteon.dicom.limits import Limits
from osteon.errors import UsageError


@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_limit_is_positive(value: float) -> None:
    assert Limits(max_unpacked_ratio=1.5).max_unpacked_ratio == 1.5
    with pytest.raises(UsageError, match="limit max_unpacked_ratio"):
        Limits(max_unpacked_ratio=value)
