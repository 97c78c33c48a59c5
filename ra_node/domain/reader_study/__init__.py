"""Reader studies: roles, phases, marks of a hand, sampling and order."""
