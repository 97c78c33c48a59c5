"""Simulation of lesions and radiographs."""
