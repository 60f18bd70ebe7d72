"""Cohort folders: manifest, splits, leakage, importers."""
