"""The tumour study made again as published (Insights Imaging 2022, doi 10.1186/s13244-022-01227-2).

Its recipe, with the reason for every choice that the paper leaves open, is ``recipes/tumor-published.toml``.
"""
