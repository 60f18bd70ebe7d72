"""Benign or malignant spinal tumours on MRI: detector, sequence classifier and age, fused by vote (``tumor``)."""
