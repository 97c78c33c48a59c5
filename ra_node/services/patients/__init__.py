"""Patients that are merged: by a command, or by ADT messages."""
