"""What the tests of several measurements share."""

import pytest
import torch


@pytest.fixture
def one_thread():
    """Two threads of one pass wait for each other where another test has the second core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
