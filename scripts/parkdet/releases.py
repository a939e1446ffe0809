"""The weights released by yolov5's authors: where they are, and their checksums."""

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path("weights")
_NAME = re.compile(r"(yolov5[nsmlx]6?)(?:-(v6\.[012]|v7\.0))?")
# Files of v7.0. Each checksum can be found in at least two independent public places
# (docs/security.md); those of v6.0 to v6.2 cannot.
_SHA256 = {
    "yolov5n": "4f180cf23ba0717ada0badd6c685026d73d48f184d00fc159c2641284b2ac0a3",
    "yolov5s": "8b3b748c1e592ddd8868022e8732fde20025197328490623cc16c6f24d0782ee",
    "yolov5m": "61d933360ba5a7733a36764996c800287d973889d875227f5beedd2473a97a56",
    "yolov5l": "2f603b7354c25454d1270663a14d8ddc1eea98e5eebc1d84ce0c6e3150fa155f",
    "yolov5x": "9f27a794fa0308e2606f90565164571d6f0a0ba18a3ce2e5e5d323b71c157859",
    "yolov5n6": "496c05a2b991da15acc6c4408c63da287f2513a46c6756618776d4dd71170781",
    "yolov5s6": "95bda9019ada63f37338308d0c81a66047a6fbaba061abaff271ba9334cf2a6f",
    "yolov5m6": "7afe7fa0f29a8351467200a2a5a33c7996d1155ed6636c7edd8ca70b14951c64",
    "yolov5l6": "b357b77f646b0190912985937c44e2923441369d5fda69ba86da2aa919212618",
    "yolov5x6": "257c991b216d625427dc4d9c7c76d6c6d93cf3732797538da34bdc02f97bfef0",
}


@dataclass(frozen=True)
class Release:
    """Released weights: ``yolov5x6`` of ``v7.0``, say."""

    model: str
    version: str

    @property
    def url(self) -> str:
        """Where the file is fetched from."""
        releases = "https://github.com/ultralytics/yolov5/releases/download"
        return f"{releases}/{self.version}/{self.model}.pt"

    @property
    def place(self) -> Path:
        """Where the file is kept, from the working folder; without a network, put it there."""
        version = "" if self.version == "v7.0" else f"-{self.version}"
        return FOLDER / f"{self.model}{version}.pt"

    @property
    def sha256(self) -> str | None:
        """The file's checksum, hexadecimal; None if not known for certain."""
        return _SHA256[self.model] if self.version == "v7.0" else None


def find_release(name: str) -> Release | None:
    """The release that ``yolov5x6`` (of v7.0), ``yolov5x6-v6.1`` and so on name, if it is one."""
    found = _NAME.fullmatch(name)
    return Release(found[1], found[2] or "v7.0") if found else None
