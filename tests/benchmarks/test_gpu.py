"""The measurements on a graphics card run line by line on a CPU, and see a card that answers otherwise."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest
import torch

from ra_node.bootstrap.analysis import SWITCH_S
from ra_node.bootstrap.node_context import default_settings
from ra_node.domain.report import Recognition, Staging
from ra_node.inference.bundles.bundle import load_bundle
from ra_node.inference.predictor import HandPrediction, Predictor
from tests.benchmarks import gpu
from tests.benchmarks.__main__ import main
from tests.benchmarks.gpu import NO_CARD, Size, answer_rows, as_in_the_worker, flops_of_a_hand, healthy, rows
from tests.benchmarks.scale import TASTE
from tests.benchmarks.table import Row, Verdict

TINY = Size(batch=2, window_s=0.0, rounds=1, images=2, studies=1, large=3, side=32)
HEALTHY = HandPrediction(Recognition(0.1, 0.5), Staging((0.9, 0.02, 0.02, 0.02, 0.02, 0.02)))
ILL = HandPrediction(
    Recognition(0.8, 0.5), Staging((0.1, 0.1, 0.1, 0.6, 0.05, 0.05)), np.ones((2, 2), np.float32)
)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")
def test_without_a_card_one_row_says_so(capsys):
    assert main(["gpu", "--taste"]) == [Row("GPU", NO_CARD)]
    assert NO_CARD in capsys.readouterr().out


def test_every_row_is_measured(tmp_path, monkeypatch):
    """The CPU in the place of the card: speeds mean nothing here, but it answers as itself.

    Networks are loaded once for each batch size, which takes 1 s of CPU.
    """
    bundle = load_bundle(default_settings().models.bundle)
    monkeypatch.setattr(gpu, "load_bundle", lambda _folder: bundle)
    load = cache(lambda device, batch: Predictor(bundle, device, batch))
    monkeypatch.setattr(gpu, "Predictor", lambda _bundle, device, batch: load(device, batch))
    found = list(rows(torch.device("cpu"), tmp_path, TINY))
    assert len({row.name for row in found}) == len(found) == 9
    assert all(row.ratio > 0 for row in found[:-2] if row.ratio is not None)
    assert [row.verdict for row in found[-2:]] == [Verdict.MET, Verdict.MET]
    assert "2 phantom hands" in found[-1].name
    assert found[-2].ratio == 0


def test_threads_and_switches_are_the_workers_only_while_it_is_measured():
    torch.set_num_threads(2)
    before = sys.getswitchinterval(), cv2.getNumThreads()
    with as_in_the_worker():
        assert (torch.get_num_threads(), cv2.getNumThreads()) == (1, 1)
        assert sys.getswitchinterval() == pytest.approx(SWITCH_S)
    assert torch.get_num_threads() == 2
    assert (sys.getswitchinterval(), cv2.getNumThreads()) == before


def test_with_a_card_its_rows_are_measured_at_the_scale_of_the_run(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(gpu, "rows", lambda device, folder, size: asked.append((device.type, size)) or [])
    assert list(gpu.measure(tmp_path, TASTE)) == []
    ((kind, size),) = asked
    assert kind == "cuda"
    assert (size.images, size.rounds) == (TASTE.images, TASTE.rounds)
    assert size.batch == default_settings().models.batch


def test_a_card_that_answers_otherwise_falls_short():
    near = replace(HEALTHY, recognition=Recognition(0.101, 0.5))
    rounded, called = answer_rows([near, ILL], [HEALTHY, ILL])
    assert rounded.ratio == pytest.approx(0.1)
    assert (rounded.verdict, called.verdict) == (Verdict.MET, Verdict.MET)
    far, other = answer_rows([HEALTHY, ILL], [ILL, ILL])
    assert far.ratio == pytest.approx(80)
    assert other.ours == "1 of 2"
    assert (far.verdict, other.verdict) == (Verdict.SHORT, Verdict.SHORT)


def test_hands_that_are_explained_are_left_out_of_the_forward_pass():
    crops = [np.zeros((2, 2), np.uint8), np.ones((2, 2), np.uint8)]
    assert healthy(crops, [ILL, HEALTHY])[0] is crops[1]
    with pytest.raises(SystemExit, match="healthy"):
        healthy(crops, [ILL, ILL])


def test_the_arithmetic_of_a_hand_is_that_of_two_googlenets():
    """Torchvision tells 1.5 GMAC for one; the worker's first layer takes one channel instead of three."""
    channels_left_out = 2 * 112 * 112 * 64 * 2 * 7 * 7
    expected = 2 * (2 * 1.498e9 - channels_left_out)
    found = flops_of_a_hand(load_bundle(default_settings().models.bundle))
    assert found == pytest.approx(expected, rel=0.01)
