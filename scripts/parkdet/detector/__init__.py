"""The one place that touches the yolov5 package."""
