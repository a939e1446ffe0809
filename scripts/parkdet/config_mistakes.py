"""Mistakes in a config, put into words."""

from typing import Any

from pydantic import BaseModel


def explain(problem: Any, config: type[BaseModel]) -> str:
    """One of pydantic's errors as a line: the path of the key, what is wrong, what is allowed."""
    path = ".".join(str(part) for part in problem["loc"]) or "config"
    match problem["type"]:
        case "extra_forbidden":
            allowed = ", ".join(_keys_at(config, problem["loc"][:-1]))
            return f"  {path}: unknown key; allowed here: {allowed}"
        case "missing":
            return f"  {path}: required, see docs/configuration.md"
        case "value_error":
            return f"  {path}: {problem['ctx']['error']}"
        case "model_type":
            return f"  {path}: must hold keys: {', '.join(_keys_at(config, problem['loc']))}"
        case _:
            return f"  {path}: {problem['msg']}, found {problem['input']!r}"


def _keys_at(model: type[BaseModel], location: tuple[str | int, ...]) -> list[str]:
    for part in location:
        annotation = model.model_fields[str(part)].annotation
        model = annotation if isinstance(annotation, type) else model
    return list(model.model_fields)
