"""The submission record, the byte budget and the validation of a submission file."""
