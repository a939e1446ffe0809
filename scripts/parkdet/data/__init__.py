"""Reading, checking, splitting and linking annotated images; the training dataset."""
