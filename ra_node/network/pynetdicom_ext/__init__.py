"""The ONLY place that touches private names of pynetdicom."""
