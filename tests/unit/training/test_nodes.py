import pytest

from parkdet.errors import UserError
from parkdet.training.nodes import Nodes, read_nodes


def test_machines_are_read_from_the_usual_variables():
    assert read_nodes({}) == Nodes()
    assert read_nodes({"NNODES": "1", "MASTER_ADDR": "of another"}) == Nodes()
    several = {"NNODES": "3", "NODE_RANK": "2", "MASTER_ADDR": "first", "MASTER_PORT": "1234"}
    assert read_nodes(several) == Nodes(3, 2, "first", 1234)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"NNODES": "2"}, "NODE_RANK and MASTER_ADDR is not set"),
        ({"NNODES": "two"}, "NNODES=two must be a whole number"),
        ({"NNODES": "2", "NODE_RANK": "2", "MASTER_ADDR": "a"}, "must be less than NNODES=2"),
    ],
)
def test_wrong_variables_are_explained(environment, message):
    with pytest.raises(UserError, match=message):
        read_nodes(environment)
