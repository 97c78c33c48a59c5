"""What operators and Prometheus see."""
