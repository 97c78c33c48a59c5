"""Draws hand radiographs and whole DICOM studies."""
