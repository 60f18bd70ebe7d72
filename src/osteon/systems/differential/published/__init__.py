"""The differential study made again as published (Harran Univ Tip Fak Derg 2025, doi 10.35440/hutfd.1563046).

Its recipe, with the reason for every choice that the paper leaves open, is ``recipes/differential-published.toml``.
"""
