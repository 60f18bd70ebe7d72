"""DICOM folders in, objects out; SEG and SR out."""
