"""DICOM data sets: what is read from them and what is made."""
