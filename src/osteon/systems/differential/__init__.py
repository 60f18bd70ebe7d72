"""Multiple myeloma or osteolytic metastasis on CT slices of the spine.

Simsek et al., Harran Univ Tip Fak Derg 2025 (doi 10.35440/hutfd.1563046): slices that show the disease, as JPEG, into
one of seven ImageNet networks; here followed by a calibrated answer for the patient, and split by patient.
"""
