from hypothesis import given
from hypothesis import strategies as st

from parkdet.inference.batches import WINDOW, plan_batches

SHAPES = st.lists(st.sampled_from([(32, 64), (64, 32), (64, 64)]), max_size=400)


@given(SHAPES, st.integers(1, 5))
def test_each_image_is_in_one_batch_of_its_shape(shapes, batch_size):
    batches = plan_batches(shapes, batch_size)
    assert sorted(index for batch in batches for index in batch.indices) == list(range(len(shapes)))
    for batch in batches:
        assert 1 <= len(batch.indices) <= batch_size
        assert {shapes[index] for index in batch.indices} == {batch.shape}


@given(SHAPES, st.integers(1, 5))
def test_no_result_waits_for_more_than_a_window(shapes, batch_size):
    done = set()
    following = 0
    for batch in plan_batches(shapes, batch_size):
        done.update(batch.indices)
        while following in done:
            done.remove(following)
            following += 1
        assert len(done) < WINDOW * batch_size


def test_images_of_one_shape_fill_their_batches_in_order():
    batches = plan_batches([(32, 32), (64, 64), (32, 32), (32, 32)], 2)
    assert [batch.indices for batch in batches] == [(0, 2), (3,), (1,)]
