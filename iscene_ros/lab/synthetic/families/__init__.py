"""Families of random shapes: functions from a random generator to a solid."""
