"""The networks see one thread at a time."""

import threading

import numpy as np

from ra_node.services.turns import InTurn
from tests.conftest import wait_until

CROP = np.zeros((224, 224), np.uint8)


class Watched:
    """A judge that notes how many threads are with it at once, and keeps the first for a while."""

    def __init__(self):
        self.inside, self.most, self.calls = 0, 0, 0
        self.go_on = threading.Event()

    def judge(self, crops):
        self.inside += 1
        self.calls += 1
        self.most = max(self.most, self.inside)
        assert self.go_on.wait(120)
        self.inside -= 1
        return ["judged"] * len(crops)


def test_two_lanes_are_judged_one_after_the_other_and_an_image_without_hands_waits_for_nobody():
    watched, said = Watched(), []
    judge = InTurn(watched)
    lanes = [threading.Thread(target=lambda: said.append(judge.judge([CROP, CROP]))) for _ in range(3)]
    for lane in lanes:
        lane.start()
    wait_until(lambda: watched.calls == 1, "the first lane to be with the networks")
    assert judge.judge([]) == []
    watched.go_on.set()
    for lane in lanes:
        lane.join(120)
    assert said == [["judged"] * 2] * 3
    assert watched.most == 1
