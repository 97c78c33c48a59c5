"""Monitoring for operators and Prometheus."""
