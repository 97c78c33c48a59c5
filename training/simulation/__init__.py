"""Simulated lesions and films."""
