"""Names of image files: some lead elsewhere or cannot stand in a list, some only look odd."""

import unicodedata

from hostile.case import Case

OUT = "file_name leads out of the image folder"
CHARACTERS = "file_name holds characters that an image list cannot hold"
NO_NAME = "image without a file_name"
NOT_PLAIN = "file_name is not a plain path"
SUFFIX = "file_name has no supported image suffix"
FORM = "file_name is on disk in another Unicode form"
CLASH = "label file would clash with another image's, or not be found"
NFC, NFD = (unicodedata.normalize(form, "주차장_1.png") for form in ("NFC", "NFD"))
LONGEST = "가" * 83 + "_1"  # 255 bytes with its suffix, the most that file systems take


def listed(name):
    """Lists an image of this name without making its file."""

    def spoil(source) -> None:
        source.draw("secret.png", split=".")  # where ../ would lead
        source.images.append({"id": 77, "file_name": name})

    return spoil


def there(*names):
    """Images of these names, each with a box of its own."""

    def spoil(source) -> None:
        for number, name in enumerate(names):
            source.add(name, [(3, number, 4, 10, 8)])

    return spoil


def other_form(on_disk: str, in_list: str):
    def spoil(source) -> None:
        source.add(on_disk, [(3, 4, 5, 10, 8)])
        source.images[-1]["file_name"] = in_list

    return spoil


UNUSABLE = {
    "leads out: `../secret.png`": ("../secret.png", OUT),
    "leads in, then out: `a/../../secret.png`": ("a/../../secret.png", OUT),
    "absolute: `/etc/secret.png`": ("/etc/secret.png", OUT),
    "contains a NUL": ("a\0.png", CHARACTERS),
    "contains a newline": ("a\nb.png", CHARACTERS),
    "contains a carriage return": ("a\rb.png", CHARACTERS),
    "contains a Unicode line separator": ("a\u2028b.png", CHARACTERS),
    "contains an unpaired surrogate": ("a\ud800.png", CHARACTERS),
    "empty": ("", NO_NAME),
    "a number": (7, NO_NAME),
    "null": (None, NO_NAME),
    "a list": (["a.png"], NO_NAME),
    "a leading dot and slash: `./a.png`": ("./a.png", NOT_PLAIN),
    "a double slash: `a//b.png`": ("a//b.png", NOT_PLAIN),
    "no suffix": ("image", SUFFIX),
    "only a suffix: `.png`": (".png", SUFFIX),
    "another suffix: `script.sh`": ("script.sh", SUFFIX),
    "a GIF's suffix": ("a.gif", SUFFIX),
    "a space after the suffix": ("a.png ", SUFFIX),
    "longer than any file name can be": (f"{'a' * 300}.png", "image file cannot be read"),
    "1,000 folders": (f"{'a/' * 1000}b.png", "file_name leads through more than 100 folders"),
    "a device name: `/dev/stdin.png`": ("/dev/stdin.png", OUT),
}

SOUND = {
    "two dots": "two.dots_1.tar.png",
    "an upper-case suffix": "UPPER_1.PNG",
    "a leading dash: `-rf_1.png`": "-rf_1.png",
    "a shell command: `$(touch x)_1.png`": "$(touch x)_1.png",
    "backticks and a pipe": "`id`|sh_1.png",
    "a semicolon, spaces, commas and quotes": "a b;c'd\"e,f_1.png",
    "a terminal escape sequence": "\x1b[2J_1.png",
    "a backslash": "a\\b_1.png",
    "wildcards: `*[0-9]?_1.png`": "*[0-9]?_1.png",
    "a spreadsheet formula: `=1+1_1.png`": "=1+1_1.png",
    "a leading space": " a_1.png",
    "a leading dot": ".hidden_1.png",
    "in a folder": "sub/folder_1.png",
    "255 bytes of Korean": f"{LONGEST}.png",
    "Korean, composed (NFC)": NFC,
    "Korean, decomposed (NFD)": NFD,
}

CLASHES = {
    "two names that differ only by suffix": ("x_1.png", "x_1.jpg"),
    "two names that differ only by case": ("x_1.png", "X_1.png"),
    "two names that differ only by Unicode form": (NFC, NFD),
    "two names of 255 bytes that differ only by suffix": (f"{LONGEST}.png", f"{LONGEST}.bmp"),
    "in a folder called `images`": ("images/labels/x_1.png",),
    "255 bytes in a folder called `images`": (f"images/{LONGEST}.png",),
    "in a folder named like another image's label file": ("a_1.png", "a_1.txt/b_1.png"),
}

CASES = [
    *(Case(what, "left out", problem, listed(name)) for what, (name, problem) in UNUSABLE.items()),
    *(Case(what, "used", "", there(name)) for what, name in SOUND.items()),
    *(Case(what, "repaired", CLASH, there(*names)) for what, names in CLASHES.items()),
    Case("composed in the list, decomposed on disk", "repaired", FORM, other_form(NFD, NFC)),
    Case("decomposed in the list, composed on disk", "repaired", FORM, other_form(NFC, NFD)),
]
