"""DICOM associations, in both directions."""
