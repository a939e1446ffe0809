"""The seeded generator of synthetic parking scenes."""

DESCRIPTION = "parkdet demo: synthetic parking scenes, drawn from a seed; no photographs"
"""Marks the JSON files of a drawn set, which may be drawn anew; nobody's photographs may."""
