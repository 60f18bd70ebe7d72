"""Lytic lesions of multiple myeloma on whole-body low-dose CT.

Faghani et al., Skeletal Radiology 2022 (doi 10.1007/s00256-022-04160-z): a bone U-Net, the Hadamard product of its mask
with the slice, an ensemble of YOLOv5 detectors; here followed by linking boxes into lesions and calibrated scores.
"""
