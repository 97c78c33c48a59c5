"""SCP: services that peers call."""
