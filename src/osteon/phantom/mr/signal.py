"""Signal equations: what a spin echo, a train of echoes, an inversion or a Dixon pair makes of T1, T2 and fat.

Textbook Bloch solutions for 90 and 180 degree pulses (e.g. Haacke, Magnetic Resonance Imaging, ch. 8). Fat has six
peaks (Hamilton 2011, doi 10.1002/nbm.1622): two of them lie near water's, so that saturating fat by its frequency
leaves a twelfth of it, and a Dixon reconstruction that believes in one peak leaves some fat in water. Magnetisation
transfer, stimulated echoes and T2 decay during the train are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.tissue import FAT_T1_MS, FAT_T2_MS, FAT_T2_TRAIN_MS, Tissue, enhanced

if TYPE_CHECKING:
    from osteon.phantom.mr.sequence import Sequence

FAT_PPM = (-3.80, -3.40, -2.60, -1.94, -0.39, 0.60)
"""Peaks of fat from water."""
FAT_SHARES = (0.087, 0.693, 0.128, 0.004, 0.039, 0.048)
GYROMAGNETIC_MHZ_PER_T = 42.577
MAIN_PPM = -3.40
NEAR_WATER_PPM = 1.0
"""Peaks nearer to water than this are not touched by saturation at fat's frequency."""
WATER_LEAK = 0.02
"""Water that a Dixon reconstruction leaves in the fat picture; a guess."""


def longitudinal(sequence: Sequence, t1_ms: float) -> float:
    """Magnetisation before excitation, 1 in equilibrium; negative after an inversion that is not yet recovered.

    A train's last echo leaves nothing, so that recovery begins after it; a single echo's refocusing pulse inverts what
    has recovered by then.
    """
    if sequence.echo_train == 1:
        rest = sequence.tr_ms - sequence.te_ms / 2
        recovered = 1 - 2 * np.exp(-rest / t1_ms) + np.exp(-sequence.tr_ms / t1_ms)
    else:
        recovered = 1 - np.exp(-(sequence.tr_ms - sequence.echo_train * sequence.echo_spacing_ms) / t1_ms)
    if sequence.ti_ms is None:
        return float(recovered)
    free = max(sequence.tr_ms - sequence.ti_ms - sequence.echo_train * sequence.echo_spacing_ms, 0.0)
    before = 1 - np.exp(-free / t1_ms)
    return float(1 - (1 + before) * np.exp(-sequence.ti_ms / t1_ms))


def water_signal(sequence: Sequence, tissue: Tissue) -> float:
    """Signal of a tissue's water, for a proton density of 1 and before loss to flow; signed where it is inverted."""
    seen = enhanced(tissue) if sequence.enhanced else tissue
    k = sequence.strong
    return longitudinal(sequence, seen.t1_ms[k]) * float(np.exp(-sequence.te_ms / seen.t2_ms[k]))


def fat_signal(sequence: Sequence) -> float:
    """Signal of fat protons before any suppression, for a density of 1; signed."""
    k = sequence.strong
    t2_ms = FAT_T2_MS[k] if sequence.echo_train == 1 else FAT_T2_TRAIN_MS[k]
    return longitudinal(sequence, FAT_T1_MS[k]) * float(np.exp(-sequence.te_ms / t2_ms))


def fat_phasor(field_t: float, delay_ms: float) -> complex:
    """Sum of fat's peaks relative to water, ``delay_ms`` after the spin echo: 1 in phase, about -0.8 opposed."""
    hz = np.array(FAT_PPM) * GYROMAGNETIC_MHZ_PER_T * field_t
    return complex(np.sum(np.array(FAT_SHARES) * np.exp(2j * np.pi * hz * delay_ms / 1000)))


def opposed_delay_ms(field_t: float) -> float:
    """Half a turn of fat's main peak against water: 2.3 ms at 1.5 T, 1.15 ms at 3 T."""
    return 500 / (abs(MAIN_PPM) * GYROMAGNETIC_MHZ_PER_T * field_t)


def fat_left(sequence: Sequence) -> float:
    """Share of the fat signal that is left in the picture where suppression works.

    1 where it is kept or nulled by its T1 (then ``fat_signal`` itself is small), negative where it is opposed.
    """
    if sequence.fat == "saturated":
        near = [share for ppm, share in zip(FAT_PPM, FAT_SHARES, strict=True) if abs(ppm) < NEAR_WATER_PPM]
        return float(sum(near))
    if sequence.fat == "dixon water":  # (in + opposed) / 2, as if fat had one peak
        return float(1 + fat_phasor(sequence.field_t, opposed_delay_ms(sequence.field_t)).real) / 2
    if sequence.fat == "dixon fat":
        return float(1 - fat_phasor(sequence.field_t, opposed_delay_ms(sequence.field_t)).real) / 2
    if sequence.fat == "dixon opposed":
        return float(fat_phasor(sequence.field_t, opposed_delay_ms(sequence.field_t)).real)
    return 1.0


def water_left(sequence: Sequence) -> float:
    """Share of the water signal in the picture."""
    return WATER_LEAK if sequence.fat == "dixon fat" else 1.0


def fat_shift_hz(field_t: float) -> float:
    """How far fat's main peak precesses behind water, Hz: 217 at 1.5 T."""
    return abs(MAIN_PPM) * GYROMAGNETIC_MHZ_PER_T * field_t


def signal(sequence: Sequence, tissue: Tissue) -> float:
    """Magnitude of a voxel of one tissue, where everything works."""
    water = tissue.proton_density * (1 - tissue.fat_fraction) * (1 - tissue.flow) * water_signal(sequence, tissue)
    fat = tissue.proton_density * tissue.fat_fraction * fat_signal(sequence)
    return abs(water_left(sequence) * water + fat_left(sequence) * fat)
