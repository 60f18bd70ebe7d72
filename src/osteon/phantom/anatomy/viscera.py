"""What fills the trunk near the midline besides the large organs: left lobe of the liver, pancreas, rectum, womb.

In outline; painted before the organs of ``anatomy.soft``, so that those lie in front of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.anatomy.shapes import Ellipsoid, chain
from osteon.phantom.anatomy.soft import Organ

if TYPE_CHECKING:
    from osteon.phantom.anatomy.person import Person
    from osteon.phantom.anatomy.spine import Spine


def viscera(spine: Spine, person: Person) -> tuple[Organ, ...]:
    """Organs near the midline, in painting order."""
    s, c = person.scale, spine.centres_mm
    lobe = Ellipsoid(c["T12"] + np.array([10, -92.0, 14]) * s, np.array([66, 34, 50.0]) * s)
    gland = np.array([c["L1"] + np.array(p) * s for p in ((-38, -58, -16.0), (-4, -62, 0), (34, -46, 10))])
    root = Ellipsoid(c["L4"] + np.array([0, -86.0, 0]) * s, np.array([70, 30, 70.0]) * s)
    gut = np.array([np.array(p) * s for p in ((14, 0, -48.0), (2, 26, -82), (0, 30, -118), (0, 8, -150))])
    womb = Ellipsoid(np.array([0, -14.0, -92]) * s, np.array([24, 20, 34.0]) * s)
    return (
        *([Organ(name="throat", solid=womb, hu=50)] if person.sex == "F" else []),
        *(Organ(name="bowel", solid=limb, hu=40, wobble_mm=3) for limb in chain(gut, np.array([13, 17, 18, 12.0]) * s)),
        *(Organ(name="gas", solid=limb, hu=-250, wobble_mm=4) for limb in chain(gut, np.array([7, 11, 12, 6.0]) * s)),
        Organ(name="bowel", solid=root, hu=30, wobble_mm=9, edge_mm=6),
        Organ(name="liver", solid=lobe, hu=55, wobble_mm=4),
        *(Organ(name="bowel", solid=limb, hu=40, wobble_mm=3) for limb in chain(gland, np.array([13, 9, 8.0]) * s)),
    )
