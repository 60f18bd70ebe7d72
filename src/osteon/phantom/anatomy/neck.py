"""What lies in front of the cervical spine and at the skull base: throat, thyroid, muscles, brainstem. In outline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.anatomy.shapes import SIDES, Ellipsoid, Limb, chain, mirrored
from osteon.phantom.anatomy.soft import GAS, Organ

if TYPE_CHECKING:
    from osteon.phantom.anatomy.person import Person
    from osteon.phantom.anatomy.spine import Spine


def neck(spine: Spine, person: Person) -> tuple[Organ, ...]:
    """Tongue, throat, larynx, thyroid and the muscles of the neck, in painting order."""
    s, c = person.scale, spine.centres_mm
    organs = [
        Organ(
            name="muscle", solid=Ellipsoid(c["C2"] + np.array([0, -62.0, 2]) * s, np.array([22, 30, 24.0]) * s), hu=52
        ),
        Organ(
            name="throat", solid=Ellipsoid(c["C5"] + np.array([0, -32.0, 0]) * s, np.array([22, 17, 34.0]) * s), hu=45
        ),
        Organ(name="gas", solid=Ellipsoid(c["C5"] + np.array([0, -30.0, 2]) * s, np.array([6, 6, 30.0]) * s), hu=GAS),
    ]
    front = np.array([c[n] + np.array([0, -12.5, 0.0]) * s for n in ("T3", "C7", "C5", "C3", "C2", "C1")])
    for side, _ in SIDES:
        strip = front + np.array([side * 6.0, 0, 0])
        radii = np.array([2.4, 3.0, 3.2, 3.0, 3.4, 3.0])
        organs += [
            Organ(name="muscle", solid=limb, hu=52, wobble_mm=0.5) for limb in chain(strip, radii, squash=(2.2, 1, 1))
        ]
        lobe = c["C7"] + mirrored(np.array([17, -34.0, 2]) * s, side)
        organs.append(Organ(name="thyroid", solid=Ellipsoid(lobe, np.array([8, 9, 22.0]) * s), hu=100))
        strap = np.array(
            [c["C7"] + mirrored(np.array(p) * s, side) for p in ((22, -46, -20), (38, -30, 40), (52, 0, 95))]
        )
        organs += [Organ(name="muscle", solid=limb, hu=52) for limb in chain(strap, np.array([9, 11, 10]) * s)]
    return tuple(organs)


def skull_base(spine: Spine, person: Person) -> tuple[Organ, ...]:
    """Brain, cistern and brainstem down to the cord; gas of the throat behind the mouth."""
    s = person.scale
    middle = spine.centres_mm["C1"] + np.array([0, -22.0, 88.0]) * s
    top = spine.canal_mm[-1]
    cistern = np.array([top, middle + np.array([0, 20, -72.0]) * s, middle + np.array([0, 2, -38.0]) * s])
    pons = np.array([top, middle + np.array([0, 19, -66.0]) * s, middle + np.array([0, 6, -40.0]) * s])
    return (
        Organ(name="csf", solid=Ellipsoid(middle, np.array([69, 88, 74.0]) * s), hu=8),
        Organ(name="brain", solid=Ellipsoid(middle, np.array([66, 85, 71.0]) * s), hu=36),
        *(Organ(name="csf", solid=limb, hu=8, wobble_mm=0.5) for limb in chain(cistern, np.array([9.5, 13, 15]) * s)),
        *(Organ(name="cord", solid=limb, hu=36, wobble_mm=0.4) for limb in chain(pons, np.array([5.0, 7.5, 12.5]) * s)),
        Organ(
            name="gas",
            solid=Limb(middle + np.array([0, -36, -84.0]) * s, middle + np.array([0, -30, -128.0]) * s, 6, 5),
            hu=GAS,
        ),
    )
