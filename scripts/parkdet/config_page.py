"""The config's JSON schema and its Markdown page, both made from the pydantic models."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from parkdet.config import Config

HEADER = """# Configuration

Made by `make docs` from `scripts/parkdet/config.py`: change the text there.

A run is described by one YAML file. `snakemake --cores all` takes `config.yaml` (the demo); with
`--configfile mine.yaml` only your file counts, what it leaves out has the defaults below, and `run`
is required. Unknown keys and wrong values end the run with one line each.
"""


def schema() -> dict[str, Any]:
    """JSON schema of the config, for editors and validators."""
    return Config.model_json_schema()


def page() -> str:
    """The documentation page: one table a section, every key with default, values and meaning."""
    lines = [HEADER]
    sections = [("Top level", Config, ""), *_sections(Config, "")]
    for title, model, text in sections:
        lines += [f"## {title}", "", *([text, ""] if text else [])]
        lines += ["| key | default | values | meaning |", "| --- | --- | --- | --- |"]
        lines += [_row(name, field) for name, field in _leaves(model)]
        lines.append("")
    return "\n".join(lines)


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _leaves(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    return ((n, f) for n, f in model.model_fields.items() if not _is_section(f))


def _sections(model: type[BaseModel], *paths: str) -> Iterator[tuple[str, type[BaseModel], str]]:
    """Title, model and description of each section; one that comes twice is shown once.

    Args:
        paths: where in the config the model stands, without the leading dot.
    """
    sections = {name: f for name, f in model.model_fields.items() if _is_section(f)}
    for section in dict.fromkeys(field.annotation for field in sections.values()):
        users = [name for name, field in sections.items() if field.annotation is section]
        inner = [f"{path}.{name}".lstrip(".") for path in paths for name in users]
        title = ", ".join(f"`{path}`" for path in inner)
        texts = (sections[name].description or "" for name in users)
        yield title, section, " ".join(texts)
        yield from _sections(section, *inner)


def _row(name: str, field: FieldInfo) -> str:
    default = "required" if field.is_required() else f"`{json.dumps(field.get_default())}`"
    cells = (f"`{name}`", default, _values(name, field), field.description or "")
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _values(name: str, field: FieldInfo) -> str:
    """The allowed values in words, from the JSON schema of the field."""
    holder = type(
        "Holder", (BaseModel,), {"__annotations__": {name: field.annotation}, name: field}
    )
    described = holder.model_json_schema()["properties"][name]
    options = described.get("anyOf", [described])
    return " or ".join(dict.fromkeys(filter(None, map(_in_words, options))))


def _in_words(option: dict[str, Any]) -> str:
    if "enum" in option:
        return ", ".join(f"`{value}`" for value in option["enum"])
    if "const" in option:
        return f"`{option['const']}`"
    if "enum" in option.get("items", {}):
        return f"list of {_in_words(option['items'])}"
    words = {"null": "null", "array": "list of texts", "string": "text", "object": "mapping"}
    text = words.get(option["type"], option["type"])
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {option[key]}" for key, sign in signs.items() if key in option]
    bounds += [f"a multiple of {option['multipleOf']}"] if "multipleOf" in option else []
    bounds += [f"matching `{option['pattern']}`"] if "pattern" in option else []
    return " ".join([text, ", ".join(bounds)]).strip()
