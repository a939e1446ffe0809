"""Training hyperparameters under yolov5's names: one model for config, presets and CLI."""

from pydantic import BaseModel, ConfigDict, Field


class Hyperparameters(BaseModel):
    """What yolov5 calls ``hyp``. The defaults are those of yolov5 7.0.14 (hyp.scratch-low)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    lr0: float = Field(0.01, gt=0, description="Learning rate after the warm-up.")
    lrf: float = Field(0.01, gt=0, le=1, description="Last learning rate as a share of lr0.")
    momentum: float = Field(0.937, ge=0, lt=1, description="Momentum of SGD, or beta1 of Adam.")
    weight_decay: float = Field(
        0.0005, ge=0, description="Weight decay at the nominal batch of 64; scaled as yolov5 does."
    )
    warmup_epochs: float = Field(
        3.0, ge=0, description="Length of the warm-up in epochs; never less than 100 iterations."
    )
    warmup_momentum: float = Field(0.8, ge=0, lt=1, description="Momentum at the first iteration.")
    warmup_bias_lr: float = Field(
        0.1,
        ge=0,
        description="Learning rate of the warm-up group (warmup_bias_group) at the start.",
    )
    box: float = Field(0.05, ge=0, description="Gain of the box loss, before scaling by layers.")
    cls: float = Field(0.5, ge=0, description="Gain of the class loss, before scaling by classes.")
    cls_pw: float = Field(1.0, gt=0, description="Weight of positives in the class loss.")
    obj: float = Field(
        1.0, ge=0, description="Gain of the objectness loss, before scaling by size."
    )
    obj_pw: float = Field(1.0, gt=0, description="Weight of positives in the objectness loss.")
    iou_t: float = Field(
        0.2, ge=0, le=1, description="Kept for yolov5's files; not used by its loss."
    )
    anchor_t: float = Field(
        4.0, gt=1, description="Largest ratio of box to anchor side for a match."
    )
    anchors: float | None = Field(
        None, ge=1, description="Anchors per layer to lay out anew; null keeps the model's own."
    )
    fl_gamma: float = Field(0.0, ge=0, description="Gamma of the focal loss; 0 is plain BCE.")
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="Label smoothing of the class loss."
    )
    hsv_h: float = Field(0.015, ge=0, le=1, description="Hue augmentation, as a fraction.")
    hsv_s: float = Field(0.7, ge=0, le=1, description="Saturation augmentation, as a fraction.")
    hsv_v: float = Field(
        0.4, ge=0, le=1, description="Value (brightness) augmentation, as a fraction."
    )
    degrees: float = Field(0.0, ge=0, le=180, description="Rotation augmentation, +/- degrees.")
    translate: float = Field(
        0.1, ge=0, le=1, description="Shift augmentation, +/- share of the size."
    )
    scale: float = Field(0.5, ge=0, le=1, description="Scale augmentation, +/- gain.")
    shear: float = Field(0.0, ge=0, le=90, description="Shear augmentation, +/- degrees.")
    perspective: float = Field(0.0, ge=0, le=0.001, description="Perspective augmentation.")
    flipud: float = Field(0.0, ge=0, le=1, description="Probability of an up-down flip.")
    fliplr: float = Field(0.5, ge=0, le=1, description="Probability of a left-right flip.")
    mosaic: float = Field(1.0, ge=0, le=1, description="Probability of a mosaic of four images.")
    mixup: float = Field(0.0, ge=0, le=1, description="Probability of blending two mosaics.")
    copy_paste: float = Field(
        0.0, ge=0, le=0, description="Needs segments, which boxes do not have: only 0 is accepted."
    )


class FinetuneHyperparameters(Hyperparameters):
    """The same with the defaults of a second training: a tenth of the rate and no jump at first."""

    lr0: float = Field(0.001, gt=0, description="Learning rate after the warm-up.")
    lrf: float = Field(0.1, gt=0, le=1, description="Last learning rate as a share of lr0.")
    warmup_epochs: float = Field(
        0.0, ge=0, description="Length of the warm-up in epochs; never less than 100 iterations."
    )
    warmup_bias_lr: float = Field(
        0.001,
        ge=0,
        description="Learning rate of the warm-up group (warmup_bias_group) at the start.",
    )
