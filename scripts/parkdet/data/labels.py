"""Label files in YOLO format: one line per box, `class x y width height`, relative to the image."""

from collections.abc import Iterable, Mapping

from parkdet.data.annotations import Box, Image


def label_line(box: Box, image: Image, number: int) -> str:
    """The line of a box: class number, then centre and size over the image's size, 6 decimals.

    The box must lie inside the image, so that all four values are between 0 and 1.
    """
    x, y, width, height = box.bbox
    centre_x, centre_y = (x + width / 2) / image.width, (y + height / 2) / image.height
    return (
        f"{number} {centre_x:.6f} {centre_y:.6f} "
        f"{width / image.width:.6f} {height / image.height:.6f}"
    )


def label_text(image: Image, boxes: Iterable[Box], numbers: Mapping[int, int]) -> str:
    """The content of an image's label file; empty without boxes.

    Crowd regions are left out: they say "many here", not where one object is.

    Args:
        numbers: class number by category id.
    """
    lines = (label_line(box, image, numbers[box.category_id]) for box in boxes if not box.iscrowd)
    return "".join(f"{line}\n" for line in lines)
