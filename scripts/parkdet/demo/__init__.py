"""The seeded generator of synthetic parking scenes."""

DESCRIPTION = "parkdet demo: synthetic parking scenes, drawn from a seed; no photographs"
"""Marks a generated set's JSON files: such a set may be overwritten, real photographs may not."""
