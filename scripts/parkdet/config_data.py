"""The settings for the photographs and how they are prepared."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from parkdet.config_values import Section
from parkdet.data.sources import CHALLENGE


class Data(Section):
    """Where the photographs are and how they are prepared."""

    root: str = Field(
        description="Folder in the challenge layout: train/label/Train.json, train/images/ and, "
        "if there is a test set, Test_Images_Information.json and test/images/. "
        "Environment variables ($NAME) are expanded; data/demo is made by the workflow itself.",
    )
    train_json: str = Field(
        CHALLENGE.train_json, description="COCO file of the training images, relative to root."
    )
    train_images: str = Field(
        CHALLENGE.train_images, description="Folder of the training images, relative to root."
    )
    test_json: str = Field(
        CHALLENGE.test_json,
        description="COCO file of the test images, relative to root, if there is a test set.",
    )
    test_images: str = Field(
        CHALLENGE.test_images, description="Folder of the test images, relative to root."
    )
    split: Literal["auto", "group", "random", "given"] = Field(
        "auto", description="How val is drawn: by recording, at random, or from val_json."
    )
    val_images: int | None = Field(
        None, ge=1, description="Number of val images; null: an eighth of all, at most 3000."
    )
    val_json: str | None = Field(None, description="COCO file of your own val set (split: given).")
    group_pattern: str | None = Field(
        None,
        pattern=r"^[^\x00]*$",
        description="Regular expression whose first group is the recording's name; "
        "null: the name without its last number (the frame).",
    )
    seed: int = Field(100, ge=0, description="Seed for the split.")
    backgrounds: Literal["keep", "drop"] = Field(
        "keep", description="What to do with images without boxes; the 2022 run lost them."
    )
    names: list[Annotated[str, Field(pattern=r"^[^,\x00]+$")]] | None = Field(
        None, description="Class names in category id order, if the JSON has none."
    )
    link: Literal["auto", "symlink", "copy", "hard"] = Field(
        "auto", description="How images get into the prepared set; auto: symlink, else copy."
    )
    on_bad: Literal["drop", "fail"] = Field(
        "drop",
        description="What to do with an image or box that cannot be used: drop and list it, or "
        "stop with an error.",
    )
    verify: Literal["header", "full"] = Field(
        "header",
        description="How images are checked: by header and end of file, or by decoding in full.",
    )
    near_duplicates: bool = Field(
        False,
        description="Count val images that are near-duplicates of a train image, by a perceptual "
        "hash; decodes all images.",
    )
    demo_seed: int = Field(
        1, ge=0, description="Seed for the synthetic scenes (root: data/demo only)."
    )

    @field_validator("group_pattern")
    @classmethod
    def _is_a_pattern(cls, value: str | None) -> str | None:
        try:
            groups = re.compile(value or "()").groups
        except re.error as error:
            raise ValueError(f"not a regular expression ({error})") from None
        if groups == 0:
            raise ValueError("has no group in parentheses to give the name of the recording")
        return value

    @model_validator(mode="after")
    def _val_json_belongs_to_given(self) -> "Data":
        if (self.split == "given") != (self.val_json is not None):
            raise ValueError("`split: given` and val_json need each other")
        return self
