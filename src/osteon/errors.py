"""Exceptions, split by what the caller can do about them.

A message says which input, what was expected, what was found and what to do next.
It never holds a patient's name, ID or birth date.
"""


class OsteonError(Exception):
    """Base of every error that osteon raises on purpose."""


class UsageError(OsteonError):
    """The request itself is wrong: an unknown key, an impossible value, a missing option."""


class InputError(OsteonError):
    """A file or folder cannot be read as what it should be; leave it out or send it again."""


class GeometryError(OsteonError):
    """Positions, orientations or grids do not fit together; the series must not be read as a volume."""


class LimitError(OsteonError):
    """An input asks for more memory, depth or time than is allowed; raise the limit only if you trust it."""


class CohortError(OsteonError):
    """A cohort folder breaks its contract: a missing file, a bad label, a patient on both sides of a split."""


class BundleError(OsteonError):
    """A model bundle is incomplete, altered or of another version; train or fetch it again."""
