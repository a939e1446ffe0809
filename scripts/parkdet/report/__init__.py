"""The report of a run: one page that needs nothing else, and its charts as files."""
