"""Types of values that the config has more than once, or that need a check of their own."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Precision = Literal["auto", "fp32", "bf16", "fp16"]
Device = Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")]
Devices = Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+(,\d+)*)?)$")]


def _number_or_auto(value: Any) -> Any:
    if value != "auto" and (type(value) is not int or value < 1):
        raise ValueError(f"must be a whole number of at least 1, or auto, found {value!r}")
    return value


BatchSize = Annotated[
    Annotated[int, Field(ge=1)] | Literal["auto"], BeforeValidator(_number_or_auto)
]
ImageSize = Annotated[int, Field(ge=32, multiple_of=32)]


class Section(BaseModel):
    """A part of the config: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
