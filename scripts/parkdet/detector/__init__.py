"""The one place that touches the yolov5 package."""

from parkdet.detector import compat as compat  # first: without it yolov5 cannot be imported
