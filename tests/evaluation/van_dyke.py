"""The Van Dyke data: 5 readers, 2 modalities (cine and spin-echo MRI), 114 cases (45 with aortic dissection).

Van Dyke CW et al., "Cine MRI in the diagnosis of thoracic aortic dissection", 79th RSNA meeting, 1993; ratings 1 to 5.
The data set is the worked example of Hillis et al. and of the packages RJafroc and MRMCaov, whose printed results the
tests compare with.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np


def read_van_dyke():
    """Truth (114,) and ratings (2 modalities, 5 readers, 114 cases)."""
    rows = np.genfromtxt(Path(__file__).parent / "data" / "van_dyke.csv", delimiter=",", names=True)
    score = np.array([[rows[f"m{m}r{r}"] for r in range(1, 6)] for m in (1, 2)])
    return rows["truth"] > 0, score
