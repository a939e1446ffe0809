"""The seeded generator of synthetic parking scenes."""
