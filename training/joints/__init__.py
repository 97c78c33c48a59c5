"""The joint task: joint crops, one shared network, calibration, metrics and export."""
