import cv2
import numpy
import torch

from parkdet.training.fingerprint import environment


def test_the_environment_has_what_makes_pixels_and_random_numbers():
    found = environment(torch.device("cpu"))
    assert found["numpy"] == numpy.__version__
    assert found["opencv"] == cv2.__version__
    assert found["torch"] in torch.__version__
    assert found["torchvision"].count(".") == 2
    assert found["yolov5"] == "7.0.14"
    assert found["processor"] == torch.backends.cpu.get_cpu_capability()
