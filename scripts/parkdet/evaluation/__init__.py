"""COCO metrics and what is derived from them."""
