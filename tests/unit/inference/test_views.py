import pytest
import torch

from parkdet.detector.build import build_model
from parkdet.detector.fast import FastDetector
from parkdet.inference.views import predict_views


@pytest.mark.parametrize("architecture", ["yolov5n", "yolov5n6"])
@torch.no_grad()
def test_equals_yolov5s_augmented_inference(architecture):
    model = build_model(architecture, 3, seed=0).eval()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        images = torch.rand(2, 3, 64, 128)
    expected = model(images.clone(), augment=True)[0]
    detector = FastDetector(model, "fp32", torch.device("cpu"))
    for found, stock in zip(predict_views(detector, images, 0.0), expected, strict=True):
        torch.testing.assert_close(found, stock, rtol=1e-5, atol=1e-3)
