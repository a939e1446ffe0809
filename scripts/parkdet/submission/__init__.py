"""Submission records, the cut to the size limit, and the validation of a submission file."""
