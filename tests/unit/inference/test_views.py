import pytest
import torch

from parkdet.detector.build import build_model
from parkdet.detector.fast import FastDetector
from parkdet.inference.views import candidates_by_view, candidates_of_views


@pytest.mark.parametrize("architecture", ["yolov5n", "yolov5n6"])
@torch.no_grad()
def test_equals_yolov5s_augmented_inference(architecture):
    model, images = build_model(architecture, 3, seed=0).eval(), random_images()
    expected = model(images.clone(), augment=True)[0]
    detector = FastDetector(model, "fp32", torch.device("cpu"))
    for found, stock in zip(candidates_of_views(detector, images, 0.0), expected, strict=True):
        torch.testing.assert_close(found, stock, rtol=1e-5, atol=1e-3)


@torch.no_grad()
def test_candidates_by_view_include_the_layers_that_joined_ones_leave_out():
    detector = FastDetector(build_model("yolov5n", 3, seed=0), "fp32", torch.device("cpu"))
    images, anchors = random_images(), 3
    large, small = anchors * 2 * 4, anchors * 8 * 12  # cells of the layers left out, at 0.67 padded
    joined = candidates_of_views(detector, images, 0.0)
    apart = candidates_by_view(detector, images, 0.0)
    for found, *views in zip(joined, *apart, strict=True):
        assert found.equal(torch.cat((views[0][:-large], views[1], views[2][small:])))


def random_images():
    return torch.rand(2, 3, 64, 128, generator=torch.Generator().manual_seed(0))
