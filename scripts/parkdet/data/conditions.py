"""Conditions of a photograph taken from its name: weather, time of day, place, region."""

import re
import unicodedata
from collections.abc import Iterable

NOT_NAMED = "not named"
# Words in a name -> their labels in reports; names may also contain the labels themselves.
WORDS = {
    "weather": {"맑음": "clear", "흐림": "cloudy", "비": "rain", "눈": "snow", "안개": "fog"},
    "time": {"주간": "day", "야간": "night"},
    "place": {"실외": "outdoors", "실내": "indoors"},
    "region": {
        "서울": "Seoul",
        "부산": "Busan",
        "대구": "Daegu",
        "인천": "Incheon",
        "광주": "Gwangju",
        "대전": "Daejeon",
        "울산": "Ulsan",
        "세종": "Sejong",
        "경기": "Gyeonggi",
        "강원": "Gangwon",
        "충북": "North Chungcheong",
        "충청북": "North Chungcheong",
        "충남": "South Chungcheong",
        "충청남": "South Chungcheong",
        "전북": "North Jeolla",
        "전라북": "North Jeolla",
        "전남": "South Jeolla",
        "전라남": "South Jeolla",
        "경북": "North Gyeongsang",
        "경상북": "North Gyeongsang",
        "경남": "South Gyeongsang",
        "경상남": "South Gyeongsang",
        "제주": "Jeju",
    },
}
_LABELS = {
    kind: {word.lower(): label for pair in words.items() for word, label in (pair, pair[1:] * 2)}
    for kind, words in WORDS.items()
}
_SEPARATORS = re.compile(r"[_\-\s./]+")
_ADMINISTRATIVE = re.compile("(특별자치|특별|광역)?[시도]$")  # "province", "city" after a region


def conditions_of(name: str) -> dict[str, str]:
    """The conditions given by whole words of an image's name; `NOT_NAMED` where none is."""
    words = _SEPARATORS.split(unicodedata.normalize("NFC", name).lower())
    return {kind: _first(words, labels) for kind, labels in _LABELS.items()}


def _first(words: Iterable[str], labels: dict[str, str]) -> str:
    for word in words:
        label = labels.get(word) or labels.get(_ADMINISTRATIVE.sub("", word))
        if label:
            return label
    return NOT_NAMED
