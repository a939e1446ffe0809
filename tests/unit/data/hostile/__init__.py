"""Dirty and hostile data sets, and what must become of each: the source of docs/reliability.md."""
