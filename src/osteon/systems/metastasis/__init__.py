"""``metastasis``: bone metastases on sagittal spine MRI, from any of T1, Dixon fat-only and contrast-enhanced T1.

Kim et al., Korean J Radiol 2024, doi:10.3348/kjr.2023.0671.
"""
