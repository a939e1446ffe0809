import copy

import torch

from parkdet.training.ema import MovingAverage


def model():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4))


def test_average_equals_yolov5():
    from yolov5.utils.torch_utils import ModelEMA

    import parkdet.detector.compat  # noqa: F401

    trained = model()
    ours, theirs = MovingAverage(trained), ModelEMA(copy.deepcopy(trained))
    for _ in range(5):
        trained(torch.randn(2, 3, 8, 8))  # moves the statistics of the batch norm
        with torch.no_grad():
            for parameter in trained.parameters():
                parameter.add_(torch.randn_like(parameter))
        ours.update(trained)
        theirs.update(trained)
    for name, value in theirs.ema.state_dict().items():
        torch.testing.assert_close(ours.model.state_dict()[name], value, rtol=1e-6, atol=1e-7)
    assert ours.updates == 5


def test_average_is_independent_of_the_model():
    trained = model()
    average = MovingAverage(trained)
    before = copy.deepcopy(average.model.state_dict())
    with torch.no_grad():
        trained[0].weight.add_(1)
    assert torch.equal(average.model.state_dict()["0.weight"], before["0.weight"])
    assert not any(parameter.requires_grad for parameter in average.model.parameters())


def test_half_is_a_rounded_copy():
    average = MovingAverage(model())
    rounded = average.half()
    assert rounded["0.weight"].dtype == torch.float16
    assert rounded["1.num_batches_tracked"].dtype == torch.int64
    with torch.no_grad():
        average.model[0].weight.add_(1)
        average.model[1].num_batches_tracked.add_(1)
    assert torch.equal(rounded["0.weight"], MovingAverage(model()).half()["0.weight"])
    assert rounded["1.num_batches_tracked"] == 0
