"""osteon: read scans of the spine and the skeleton for tumours.

Importing this package loads no torch, opens nothing and prints nothing.
"""

__version__ = "0.1.0"
