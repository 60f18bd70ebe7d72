"""The lytic study made again as published (Skeletal Radiol 2022, doi 10.1007/s00256-022-04160-z).

Its recipe, with the reason for every choice that the paper leaves open, is ``recipes/lytic-published.toml``.
"""
