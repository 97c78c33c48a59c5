"""The joint task: joint crops, one shared network, calibration, figures and export."""
