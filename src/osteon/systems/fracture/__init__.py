"""Benign or malignant vertebral fracture on MRI: a box round the vertebra on T2, mapped to T1, into a ResNet50.

Yeh et al., Eur Spine J 2022, doi 10.1007/s00586-022-07121-1.
"""
