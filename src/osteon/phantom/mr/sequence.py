"""One MR sequence: its times, what it does with fat, how it is sampled."""

from __future__ import annotations

from dataclasses import dataclass

FAT_MODES = ("kept", "saturated", "nulled", "dixon fat", "dixon water", "dixon in", "dixon opposed")
READOUTS = ("AP", "HF")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sequence:
    """A sagittal spin-echo sequence.

    Attributes:
        role: what it is for: "t1", "t2", "fs-t2", "fo" (contrast-enhanced Dixon fat-only), "ce", "dixon-in", ...; also
            the name of its folder.
        weighting: "T1", "T2" or "STIR", for its names.
        tr_ms, te_ms: repetition time and (effective) echo time.
        ti_ms: inversion time; None without inversion.
        echo_train: echoes after one excitation; 1 for a plain spin echo.
        echo_spacing_ms: between them.
        fat: one of ``FAT_MODES``: "saturated" by its frequency, "nulled" by its T1.
        enhanced: whether it is made after gadolinium.
        field_t: 1.5 or 3.
        readout: direction of frequency encoding, "AP" or "HF".
        acquired: sampled points along readout and phase.
        matrix: rows and columns of the picture, square.
        bandwidth_hz: per acquired pixel.
        snr: signal of normal marrow on T1 over the noise; sets the noise of this sequence.

    Raises:
        ValueError: a fat mode, readout or time that cannot be.
    """

    role: str
    weighting: str
    tr_ms: float
    te_ms: float
    ti_ms: float | None = None
    echo_train: int = 1
    echo_spacing_ms: float = 9.0
    fat: str = "kept"
    enhanced: bool = False
    field_t: float = 1.5
    readout: str = "AP"
    acquired: tuple[int, int] = (384, 288)
    matrix: int = 448
    bandwidth_hz: float = 200.0
    snr: float = 35.0

    def __post_init__(self) -> None:
        if self.fat not in FAT_MODES or self.readout not in READOUTS:
            raise ValueError(f"fat {self.fat!r}, readout {self.readout!r}: not of {FAT_MODES} and {READOUTS}")
        if not 0 < self.te_ms < self.tr_ms or self.echo_train * self.echo_spacing_ms >= self.tr_ms:
            raise ValueError(f"TR {self.tr_ms} ms, TE {self.te_ms} ms, {self.echo_train} echoes do not fit each other")

    @property
    def strong(self) -> int:
        """0 for 1.5 T, 1 for 3 T: which of a tissue's pair of values holds."""
        return int(self.field_t > 2)

    @property
    def water_key(self) -> tuple[object, ...]:
        """What the water signal depends on: sequences that agree in it share one picture of water."""
        return self.tr_ms, self.te_ms, self.ti_ms, self.echo_train, self.echo_spacing_ms, self.enhanced, self.field_t
