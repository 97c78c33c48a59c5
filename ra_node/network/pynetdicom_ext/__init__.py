"""Extensions of pynetdicom; the only place that uses its private names."""
