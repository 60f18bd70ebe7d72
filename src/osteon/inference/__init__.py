"""Slices, ensembles, boxes to lesions."""
