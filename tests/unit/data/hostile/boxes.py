"""Ids, boxes and categories whose values are of the wrong kind, out of range or ambiguous."""

import math

from hostile.case import Case, box

NO_ID = "image id is not a whole number"
NOT_NUMBERS = "bbox is not four finite numbers"
NO_SIDE = "box without width or height"
OUTSIDE = "box is outside the image or too small to see"
CLIPPED = "box reaches beyond the image"
IMAGE = "box of an unknown image"
CATEGORY = "box of an unknown category"
NUMBERED = "annotation id is missing, not a whole number or used twice"
CROWD = "iscrowd is neither 0 nor 1"
MALFORMED = (
    "a category needs a whole number as `id` and, as `name`, one line of at most 200 characters"
)
SAME_ID = "two images have the same id"


def again(**changes):
    """Lists the first image once more, with other values and a box."""

    def spoil(source) -> None:
        source.images.append({**source.images[0], **changes})
        source.box(source.images[-1]["id"], [1, 1, 3, 3])

    return spoil


def numbered(*numbers):
    """Images with these ids, each with a box."""

    def spoil(source) -> None:
        for number in numbers:
            source.add(f"id{number}_1.png", [(3, 4, 5, 10, 8)])
            source.images[-1]["id"] = source.annotations[-1]["image_id"] = number

    return spoil


def boxes(*entries):
    """More boxes for the first image, with these values."""

    def spoil(source) -> None:
        for place, values in enumerate(entries):
            source.box(1, [place, 1, 3, 3])
            source.annotations[-1].update(values)

    return spoil


def odd_id(number):
    """An image with this id and without boxes."""

    def spoil(source) -> None:
        source.add("odd_1.png")
        source.images[-1]["id"] = number

    return spoil


def other_image(source) -> None:
    source.add("other_1.png", number=1)


IDS = [
    Case("an image listed twice", "left out", "image is listed twice", again()),
    Case("one id for two images", "left out", SAME_ID, other_image),
    Case("two ids for one file", "left out", "two ids have the same file_name", again(id=50)),
    Case("id is a string", "left out", NO_ID, odd_id("12")),
    Case("id is null", "left out", NO_ID, odd_id(None)),
    Case("id is true", "left out", NO_ID, odd_id(True)),
    Case("id with a fraction", "left out", NO_ID, odd_id(1.5)),
    Case("id is NaN", "left out", NO_ID, odd_id(math.nan)),
    Case("id is a list", "left out", NO_ID, odd_id([1])),
    Case("id beyond 64 bits", "left out", NO_ID, odd_id(2**63)),
    Case("id has 400 digits", "left out", NO_ID, odd_id(10**400)),
    Case("ids sparse, huge, zero and negative", "used", "", numbered(10**12, 2**63 - 1, 0, -7)),
    Case("id 7.0 for 7", "used", "", numbered(1007.0)),
    Case(
        "box ids missing, strings or used twice",
        "repaired",
        NUMBERED,
        boxes({"id": None}, {"id": "x"}, {"id": 1}),
    ),
]

BOXES = [
    Case("width zero", "left out", NO_SIDE, box(bbox=[1, 2, 0, 4])),
    Case("height zero", "left out", NO_SIDE, box(bbox=[1, 2, 4, 0])),
    Case("width negative", "left out", NO_SIDE, box(bbox=[9, 2, -4, 4])),
    Case("NaN", "left out", NOT_NUMBERS, box(bbox=[1, math.nan, 3, 4])),
    Case("infinity", "left out", NOT_NUMBERS, box(bbox=[1, 2, math.inf, 4])),
    Case("a number too large for a float", "left out", NOT_NUMBERS, box(bbox=[1, 2, 10**400, 4])),
    Case("numbers given as strings", "left out", NOT_NUMBERS, box(bbox=["1", "2", "3", "4"])),
    Case("three numbers", "left out", NOT_NUMBERS, box(bbox=[1, 2, 3])),
    Case("a nested list", "left out", NOT_NUMBERS, box(bbox=[[1, 2, 3, 4]])),
    Case("true among the numbers", "left out", NOT_NUMBERS, box(bbox=[1, 2, True, 4])),
    Case("bbox missing", "left out", NOT_NUMBERS, box(bbox=None)),
    Case("left of the image", "left out", OUTSIDE, box(bbox=[-30, 2, 30, 4])),
    Case("below the image", "left out", OUTSIDE, box(bbox=[1, 20, 30, 4])),
    Case("far outside: 1e308", "left out", OUTSIDE, box(bbox=[1e308, 1e308, 1e308, 1e308])),
    Case("too thin to see", "left out", OUTSIDE, box(bbox=[1, 2, 1e-9, 4])),
    Case("extends over an edge", "repaired", CLIPPED, box(bbox=[-5, 2, 20, 4])),
    Case("width 1e308", "repaired", CLIPPED, box(bbox=[1, 1, 1e308, 1e308])),
    Case("over the edge by less than 0.01 pixels", "used", "", box(bbox=[30, 2, 10.001, 4])),
    Case("unknown image", "left out", IMAGE, box(image_id=999)),
    Case("image id missing", "left out", IMAGE, box(image_id=None)),
    Case("image id is a string", "left out", IMAGE, box(image_id="1")),
    Case("unknown category", "left out", CATEGORY, box(category_id=4)),
    Case("category is a string", "left out", CATEGORY, box(category_id="3")),
    Case("category missing", "left out", CATEGORY, box(category_id=None)),
    Case(
        "listed twice",
        "left out",
        "box is listed twice",
        boxes({"bbox": [3, 4, 5, 6]}, {"bbox": [3, 4, 5, 6]}),
    ),
    Case("iscrowd is a string", "repaired", CROWD, box(iscrowd="1")),
    Case("iscrowd is 7", "repaired", CROWD, box(iscrowd=7)),
]


def categories(*found):
    def spoil(source) -> None:
        source.categories = list(found)

    return spoil


def no_categories(source) -> None:
    source.categories = None


CAR = {"id": 3, "name": "car"}
CATEGORIES = [
    Case("no categories, and no names given", "refused", "no class names are given", no_categories),
    Case(
        "fewer names given than ids in use",
        "refused",
        "Give one name for each id",
        lambda source: (no_categories(source), source.box(1, [20, 1, 5, 5], 9)),
        options=("--names=car",),
    ),
    Case(
        "the same name given twice",
        "refused",
        "Class names must be unique",
        no_categories,
        options=("--names=a,a",),
    ),
    Case(
        "the same id twice",
        "refused",
        "category id 3 occurs more than once",
        categories(CAR, {"id": 3, "name": "x"}),
    ),
    Case(
        "the same name twice",
        "refused",
        "category name 'car' occurs more than once",
        categories(CAR, {"id": 8, "name": "car"}),
    ),
    Case(
        "id is a string",
        "refused",
        MALFORMED,
        categories({"id": "3", "name": "car"}),
    ),
    Case("name missing", "refused", MALFORMED, categories({"id": 3})),
    Case("name blank", "refused", MALFORMED, categories({"id": 3, "name": " "})),
    Case(
        "name with a terminal escape sequence",
        "refused",
        MALFORMED,
        categories({"id": 3, "name": "\x1b[2J"}),
    ),
    Case("name with two lines", "refused", MALFORMED, categories({"id": 3, "name": "a\nb"})),
    Case(
        "name with an unpaired surrogate",
        "refused",
        MALFORMED,
        categories({"id": 3, "name": "a\ud800"}),
    ),
    Case(
        "name of a million characters",
        "refused",
        MALFORMED,
        categories({"id": 3, "name": "a" * 10**6}),
    ),
    Case("a class without boxes", "warned", "No box in train of: cart."),
]
