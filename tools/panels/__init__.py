"""The panels of each dashboard: a title, what it is for, a unit, and queries with their legends."""
