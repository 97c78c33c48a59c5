"""DICOM data sets: reading and creation."""
