"""Training hyperparameters under yolov5's names: one model for config, presets and CLI."""

from pydantic import BaseModel, ConfigDict, Field


class Hyperparameters(BaseModel):
    """What yolov5 calls ``hyp``. The defaults are those of yolov5 7.0.14 (hyp.scratch-low)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    lr0: float = Field(0.01, gt=0, description="Learning rate after the warm-up.")
    lrf: float = Field(0.01, gt=0, le=1, description="Final learning rate as a fraction of lr0.")
    momentum: float = Field(
        0.937, ge=0, lt=1, description="Momentum of SGD, or beta1 of Adam and AdamW."
    )
    weight_decay: float = Field(
        0.0005, ge=0, description="Weight decay at nominal_batch; scaled as in yolov5."
    )
    warmup_epochs: float = Field(
        3.0, ge=0, description="Length of the warm-up in epochs; never less than 100 iterations."
    )
    warmup_momentum: float = Field(0.8, ge=0, lt=1, description="Momentum at the first iteration.")
    warmup_bias_lr: float = Field(
        0.1, ge=0, description="Initial learning rate of the group named by warmup_bias_group."
    )
    box: float = Field(
        0.05, ge=0, description="Gain of the box loss, before scaling by the number of layers."
    )
    cls: float = Field(
        0.5,
        ge=0,
        description="Gain of the class loss, before scaling by the numbers of classes and layers.",
    )
    cls_pw: float = Field(1.0, gt=0, description="Weight of positives in the class loss.")
    obj: float = Field(
        1.0,
        ge=0,
        description="Gain of the objectness loss, before scaling by image size and number of "
        "layers.",
    )
    obj_pw: float = Field(1.0, gt=0, description="Weight of positives in the objectness loss.")
    iou_t: float = Field(
        0.2, ge=0, le=1, description="Accepted because yolov5's files have it; its loss ignores it."
    )
    anchor_t: float = Field(
        4.0, gt=1, description="Maximum ratio between a box's and an anchor's side for a match."
    )
    anchors: float | None = Field(
        None, ge=1, description="Number of new anchors per layer; null keeps the model's own."
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
        0.1, ge=0, le=1, description="Shift augmentation, +/- fraction of the size."
    )
    scale: float = Field(0.5, ge=0, le=1, description="Scale augmentation, +/- gain.")
    shear: float = Field(0.0, ge=0, le=90, description="Shear augmentation, +/- degrees.")
    perspective: float = Field(0.0, ge=0, le=0.001, description="Perspective augmentation.")
    flipud: float = Field(0.0, ge=0, le=1, description="Probability of a vertical flip.")
    fliplr: float = Field(0.5, ge=0, le=1, description="Probability of a horizontal flip.")
    mosaic: float = Field(1.0, ge=0, le=1, description="Probability of a mosaic of four images.")
    mixup: float = Field(0.0, ge=0, le=1, description="Probability of blending two mosaics.")
    copy_paste: float = Field(
        0.0, ge=0, le=0, description="Needs segments, which boxes do not have: only 0 is accepted."
    )


class FinetuneHyperparameters(Hyperparameters):
    """The same with defaults for finetuning: a tenth of the learning rate and no initial jump."""

    lr0: float = Field(0.001, gt=0, description="Learning rate after the warm-up.")
    lrf: float = Field(0.1, gt=0, le=1, description="Final learning rate as a fraction of lr0.")
    warmup_epochs: float = Field(
        0.0, ge=0, description="Length of the warm-up in epochs; never less than 100 iterations."
    )
    warmup_bias_lr: float = Field(
        0.001, ge=0, description="Initial learning rate of the group named by warmup_bias_group."
    )
