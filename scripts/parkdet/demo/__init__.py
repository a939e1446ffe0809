"""The seeded generator of the demo set: synthetic parking scenes, drawn, never photographed."""
