"""Batched inference, test-time augmentation, suppression and output of detections."""
