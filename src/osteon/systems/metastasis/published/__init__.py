"""The metastasis study made again as published (Korean J Radiol 2024, doi 10.3348/kjr.2023.0671).

Its recipe, with the reason for every choice that the paper leaves open, is ``recipes/metastasis-published.toml``.
"""
