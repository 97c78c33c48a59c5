"""The operator page, /metrics, /healthz and /readyz."""
