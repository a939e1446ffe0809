"""Image files that are damaged, are something else, or have an unusual pixel format."""

import os
import struct
from io import BytesIO
from pathlib import Path
from zlib import compress, crc32

from PIL import Image

from hostile.case import Case, entry, image

UNREADABLE = "image file cannot be read"
NO_FILE = "image is not a regular file"
LINK_OUT = "image lies outside its folder, behind a link"
FRAMES = "image has several frames"
TURNED = "width and height are swapped in the annotations, or EXIF turns the image"
SIZE = "size in the annotations is not the file's"
PNG = b"\x89PNG\r\n\x1a\n"
PIXELS = (400, 300)


def noise(suffix: str, mode: str = "RGB") -> bytes:
    """An image file that compresses badly, so that damage hits pixels."""
    file = BytesIO()
    Image.effect_noise(PIXELS, 90).convert(mode).save(file, suffix)
    return file.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc32(name + data))


def bomb(path: Path) -> None:
    """A PNG of a few bytes that claims to have 30000 x 30000 pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0))
    path.write_bytes(PNG + header + chunk(b"IDAT", b"") + chunk(b"IEND", b""))


def text_bomb(path: Path) -> None:
    """A PNG whose comment of a few kilobytes unpacks to eight megabytes."""
    sound = noise("png")
    text = chunk(b"zTXt", b"Comment\0\0" + compress(bytes(8_000_000)))
    path.write_bytes(sound[:33] + text + sound[33:])  # after signature and IHDR


def damaged(path: Path) -> None:
    content = bytearray(noise("png"))
    content[60_000:60_100] = bytes(100)
    path.write_bytes(content)


def write(content: bytes):
    return lambda path: path.write_bytes(content)


def pixels(mode: str, suffix: str, **options):
    """A sound image of the usual size; ``options`` as for PIL's save."""

    def spoil(source) -> None:
        name = f"odd_1.{suffix}"
        source.add(name, [(3, 4, 5, 10, 8)])
        Image.new(mode, (40, 20)).save(source.root / "train/images" / name, **options)

    return spoil


def animated(suffix: str):
    others = [Image.new("RGB", (40, 20), color) for color in ("red", "green")]
    return pixels("RGB", suffix, save_all=True, append_images=others)


def turned(suffix: str):
    """An image that EXIF turns by a right angle."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return pixels("RGB", suffix, exif=exif)


def outside(path: Path) -> None:
    """A link to an image beside the data set."""
    target = path.parents[3] / "outside.png"
    Image.new("RGB", (40, 20)).save(target)
    path.symlink_to(target)


def folder_outside(source) -> None:
    target = source.root.parent / "elsewhere"
    source.add("linked/a_1.png", [(3, 4, 5, 10, 8)])
    (source.root / "train/images/linked").rename(target)
    (source.root / "train/images/linked").symlink_to(target)


def inside(path: Path) -> None:
    Image.new("RGB", (40, 20)).save(path.with_name("real_1.png"))
    path.symlink_to("real_1.png")


def in_test_set(make=None, **values):
    """A test set of a sound image and one whose content or values are changed."""

    def spoil(source) -> None:
        source.add_test("good_1.png", 901)
        source.add_test("bad_1.png", 902)
        source.test_images[1].update(values)
        if make:
            path = source.root / "test/images/bad_1.png"
            path.unlink()
            make(path)

    return spoil


CASES = [
    Case("file is missing", "left out", "image file is missing", image(lambda path: None)),
    Case("zero bytes", "left out", "image file is empty", image(write(b""))),
    Case("text in place of an image", "left out", UNREADABLE, image(write(b"not an image"))),
    Case("PNG signature only", "left out", UNREADABLE, image(write(PNG))),
    Case("truncated PNG", "left out", UNREADABLE, image(write(noise("png")[:30_000]))),
    Case(
        "truncated JPEG", "left out", UNREADABLE, image(write(noise("jpeg")[:20_000]), "bad_1.jpg")
    ),
    Case(
        "truncated WebP", "left out", UNREADABLE, image(write(noise("webp")[:9_000]), "bad_1.webp")
    ),
    Case(
        "damaged pixel data, with `--verify full`",
        "left out",
        UNREADABLE,
        image(damaged),
        options=("--verify=full",),
    ),
    Case(
        "trailing data after a JPEG",
        "used",
        spoil=image(write(noise("jpeg") + b"trailer" * 99), "odd_1.jpg"),
    ),
    Case("a folder", "left out", NO_FILE, image(Path.mkdir)),
    Case("a FIFO", "left out", NO_FILE, image(os.mkfifo)),
    Case(
        "a link to a device", "left out", NO_FILE, image(lambda path: path.symlink_to("/dev/zero"))
    ),
    Case("a link to itself", "left out", UNREADABLE, image(lambda path: path.symlink_to(path))),
    Case(
        "a dangling link",
        "left out",
        "image file is missing",
        image(lambda path: path.symlink_to("/nowhere/a.png")),
    ),
    Case("a link to outside the image folder", "repaired", LINK_OUT, image(outside)),
    Case("a linked folder outside the image folder", "repaired", LINK_OUT, folder_outside),
    Case("a link within the image folder", "used", spoil=image(inside)),
    Case(
        "decompression bomb: more than 89,478,485 pixels",
        "left out",
        "image has more than 89478485 pixels",
        image(bomb),
    ),
    Case("decompression bomb in a PNG's comment", "left out", UNREADABLE, image(text_bomb)),
    Case("GIF named .png", "left out", UNREADABLE, image(write(noise("gif", "L")))),
    Case("JPEG named .png", "used", spoil=image(write(noise("jpeg")))),
    Case("greyscale", "used", spoil=pixels("L", "png")),
    Case("1 bit per pixel", "used", spoil=pixels("1", "bmp")),
    Case("palette", "used", spoil=pixels("P", "png")),
    Case("alpha channel", "used", spoil=pixels("RGBA", "png")),
    Case("16 bits per channel", "used", spoil=pixels("I;16", "png")),
    Case("CMYK JPEG", "used", spoil=pixels("CMYK", "jpg")),
    Case("animated PNG", "repaired", FRAMES, animated("png")),
    Case("animated WebP", "repaired", FRAMES, animated("webp")),
    Case("multi-page TIFF", "repaired", FRAMES, animated("tiff")),
    Case("JPEG rotated by EXIF, size given as stored", "repaired", TURNED, turned("jpg")),
    Case("PNG rotated by EXIF, size given as stored", "repaired", TURNED, turned("png")),
    Case("TIFF rotated by EXIF", "left out", UNREADABLE, turned("tiff")),
    Case("width and height wrong", "repaired", SIZE, entry(width=7, height=7)),
    Case("width and height swapped", "repaired", TURNED, entry(width=20, height=40)),
    Case("width missing", "repaired", SIZE, entry(width=None)),
    Case("width and height missing", "used", spoil=entry(width=None, height=None)),
    Case("width is a string", "repaired", SIZE, entry(width="40")),
    Case("width NaN, height negative", "repaired", SIZE, entry(width=float("nan"), height=-1)),
    Case("width has 400 digits", "repaired", SIZE, entry(width=10**400)),
]

TEST_IMAGES = [
    Case(
        "test image missing",
        "kept",
        "image file is missing",
        in_test_set(lambda path: None, width=40, height=20),
    ),
    Case("test image of zero bytes", "kept", "image file is empty", in_test_set(write(b""))),
    Case("test image that is a folder", "kept", NO_FILE, in_test_set(Path.mkdir)),
    Case(
        "test image with an unsafe name",
        "kept",
        "file_name leads out of the image folder",
        in_test_set(file_name="../good_1.png", width="x"),
    ),
    Case(
        "test image listed twice",
        "left out",
        "image is listed twice",
        in_test_set(id=901, file_name="good_1.png"),
    ),
    Case(
        "two test images with the same id",
        "left out",
        "two images have the same id",
        in_test_set(id=901),
    ),
    Case(
        "test image whose id is a string",
        "left out",
        "image id is not a whole number",
        in_test_set(id="902"),
    ),
]
