"""YOLO and Pascal VOC label files become COCO boxes, and faults are kept to be listed later."""

import json

import pytest

import convert_annotations
from parkdet.command_line import run
from parkdet.data.conversion import convert, names_of_yaml
from parkdet.data.prepare import PrepareSettings, prepare
from parkdet.data.sources import Layout
from parkdet.errors import UserError

VOC = """<annotation><object><name>{name}</name><bndbox><xmin>{box[0]}</xmin><ymin>{box[1]}</ymin>
<xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox></object></annotation>"""

VOC_EUC_KR = '<?xml version="1.0" encoding="euc-kr"?><annotation>주차</annotation>'.encode("euc-kr")


@pytest.fixture
def photos(source):
    """Images of 40x20 pixels; a label folder."""
    for name in ("가_1.png", "가_2.v2.png", "나/다_1.png", "라_1.png"):
        source.draw(name, split="photos")
    (source.root / "labels/나").mkdir(parents=True)
    return source.root / "photos/images", source.root / "labels"


def boxes_of(coco):
    names = {image["id"]: image["file_name"] for image in coco["images"]}
    return {
        names[box["image_id"]]: (box["category_id"], pytest.approx(box["bbox"]))
        for box in coco["annotations"]
    }


def test_yolo_lines_become_boxes_in_pixels(photos):
    images, labels = photos
    (labels / "가_1.txt").write_text("\ufeff1 0.5 0.5 0.25 0.5\n\n", encoding="utf-8")
    (labels / "가_2.v2.txt").write_text("0 0.1 0.2 0.2 0.4")
    (labels / "나/다_1.txt").write_text("1 0.5 0.5 1 1\n")
    coco = convert(images, labels, "yolo", ["car", "cart"])
    assert boxes_of(coco) == {
        "가_1.png": (1, [15, 5, 10, 10]),
        "가_2.v2.png": (0, [0, 0, 8, 8]),
        "나/다_1.png": (1, [0, 0, 40, 20]),
    }
    assert len(coco["images"]) == 4
    assert coco["categories"] == [{"id": 0, "name": "car"}, {"id": 1, "name": "cart"}]


def test_voc_corners_count_from_one_and_include_the_last_pixel(photos):
    images, labels = photos
    (labels / "가_1.xml").write_text(VOC.format(name="cart", box=(1, 1, 40, 20)))
    (labels / "라_1.xml").write_text(VOC.format(name="bus", box=(5, 3, 5, 3)))
    coco = convert(images, labels, "voc", None)
    assert [category["name"] for category in coco["categories"]] == ["bus", "cart"]
    assert boxes_of(coco) == {"가_1.png": (1, [0, 0, 40, 20]), "라_1.png": (0, [4, 2, 1, 1])}


def test_faults_are_listed_when_the_set_is_prepared(photos, tmp_path, capsys):
    images, labels = photos
    lines = [
        "0 0.5 0.5 0.5 0.5",
        "0 0.5 0.5",
        "7 0.5 0.5 0.1 0.1",
        "0 nan 0.5 0.1 0.1",
        "x 1 1 1 1",
    ]
    (labels / "가_1.txt").write_text("\n".join(lines))
    (labels / "gone.txt").write_text(lines[0])
    out = images.parents[1] / "coco.json"
    command = ["--images", str(images), "--labels", str(labels), "--names", "car,cart"]
    code = run(
        convert_annotations.build_parser(), convert_annotations.main, [*command, "--out", str(out)]
    )
    said = capsys.readouterr().err
    assert code == 0 and "1 label files have no image: gone.txt" in said
    assert "4 images, 5 boxes, 2 classes" in said

    layout = Layout("coco.json", "photos/images")
    settings = PrepareSettings(images.parents[1], tmp_path / "out", 1, "random", layout=layout)
    summary = prepare(settings)
    assert sum(summary["boxes"].values()) == 1
    assert summary["issues"] == {
        "bbox is not four finite numbers": 2,
        "box of an unknown category": 2,
    }
    assert json.loads(out.read_text(encoding="utf-8"))["annotations"][1]["bbox"] == ["0.5", "0.5"]


def test_images_alone_become_a_test_set(photos):
    coco = convert(photos[0], None, "yolo", ["car"])
    assert len(coco["images"]) == 4 and coco["annotations"] == []


@pytest.mark.parametrize(
    ("form", "name", "content", "message"),
    [
        ("voc", "가_1.xml", b"<annotation>", "not XML"),
        ("voc", "가_1.xml", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type"),
        ("voc", "가_1.xml", VOC_EUC_KR, "not XML in UTF-8"),
        ("voc", "가_1.xml", b'<?xml version="1.0" encoding="none"?><a/>', "not XML in UTF-8"),
        ("yolo", "가_1.txt", b"\xff\xfe0\x00", "not text"),
    ],
)
def test_a_file_of_another_kind_is_refused_by_name(photos, form, name, content, message):
    (photos[1] / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{name}.*{message}"):
        convert(*photos, form, None)


def test_misplaced_labels_are_not_mistaken_for_images_without_boxes(photos):
    (photos[1] / "가_1.txt").write_text("0 0.5 0.5 0.5 0.5")
    for labels, form in ((photos[1], "voc"), (photos[1] / "none", "yolo")):
        with pytest.raises(UserError, match="--labels and --form"):
            convert(photos[0], labels, form, None)


def test_no_images_is_an_error(tmp_path):
    with pytest.raises(UserError, match="no images"):
        convert(tmp_path, None, "yolo", None)


@pytest.mark.parametrize("names", ["[car, cart]", "{0: car, 1: cart}"])
def test_class_names_of_a_data_yaml(tmp_path, names):
    (tmp_path / "data.yaml").write_text(f"names: {names}\n")
    assert names_of_yaml(tmp_path / "data.yaml") == ["car", "cart"]


@pytest.mark.parametrize("content", ["nc: 2", "names: {1: car}", "names: []", "names: [[a]]"])
def test_a_data_yaml_without_names_is_refused(tmp_path, content):
    (tmp_path / "data.yaml").write_text(content)
    with pytest.raises(UserError, match="names"):
        names_of_yaml(tmp_path / "data.yaml")
