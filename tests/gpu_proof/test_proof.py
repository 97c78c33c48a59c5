"""Every line of the proof runs on a CPU, and a part that hangs, dies or falls short is seen."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import numpy as np
import pytest
import torch
from torch import nn

from ra_node.inference.networks.loaded_network import logits_of
from tests.benchmarks.table import Row, Verdict, saved
from tests.gpu_proof import __main__ as proof
from tests.gpu_proof.networks import MEAN, STD, OfGrey, untrained
from tests.gpu_proof.place import noise
from tests.gpu_proof.rounding import distance, tolerance

OURS = [part for part, (module, *_) in proof.PARTS.items() if module != "benchmark_parts"]
SPEEDS_ONLY = ("speed",)


@pytest.mark.parametrize("part", OURS)
def test_every_part_runs_on_a_cpu_and_meets_what_a_cpu_can_meet(part, tmp_path):
    """The CPU in the place of the card; the parts of the benchmark have tests of their own there."""
    rows = list(proof.rows_of(part, "cpu", tmp_path, tiny=True))
    assert len({row.name for row in rows}) == len(rows)
    assert rows[-1].name == f"{part}: peak of main memory"
    judged = [row for row in rows if row.target is not None]
    assert all(row.verdict is Verdict.MET for row in judged), judged
    assert judged or part in (*SPEEDS_ONLY, "half")


@pytest.mark.parametrize("name", ["alexnet", "googlenet"])
def test_the_tolerance_is_wide_enough_for_bfloat16_and_not_a_hundred_times_too_wide(name):
    """So that the formula, not a number that passed, stands behind what a card may differ."""
    crops, network = noise(2, 64), untrained(name)
    expected = logits_of(network, crops, MEAN, STD, 2)
    coarse = OfGrey(untrained(name)).to(torch.bfloat16)
    x_N1HW = ((torch.from_numpy(crops).float() / 255 - MEAN) / STD)[:, None].to(torch.bfloat16)
    with torch.inference_mode():
        found = coarse(x_N1HW)[0].double().numpy()
    share = distance(found, expected) / tolerance(network, "bfloat16")
    assert 0.01 < share < 1


def test_a_card_that_answers_otherwise_falls_short():
    """One weight in a hundred of the last layer is wrong."""
    network, crops = untrained("alexnet"), noise(2, 64)
    expected = logits_of(network, crops, MEAN, STD, 2)
    last = [one for one in network.modules() if isinstance(one, nn.Linear)][-1]
    with torch.no_grad():
        last.weight.view(-1)[::100] *= -1
    assert distance(logits_of(network, crops, MEAN, STD, 2), expected) > tolerance(network, "TF32")


def row_writer(folder_rows: list[Row], after: str) -> list[str]:
    """A child that writes rows where the runner looks, then does something."""
    text = "\n".join(json.dumps(asdict(row)) for row in folder_rows)
    code = (
        "import sys, os, pathlib, time\n"
        "folder = pathlib.Path(sys.argv[sys.argv.index('--folder') + 1])\n"
        f"(folder / 'rows').write_text({text!r} + chr(10))\n{after}"
    )
    return [sys.executable, "-c", code]


def test_a_part_that_hangs_is_stopped_and_its_rows_so_far_are_kept():
    rows, why = proof.run_part("x", row_writer([Row("a", "1")], "time.sleep(600)"), 1.0)
    assert rows == [Row("a", "1")]
    assert why == "stopped after its limit of 1 s"


def test_a_part_that_dies_tells_its_last_line():
    rows, why = proof.run_part("x", row_writer([], "print('CUDA error: gone'); os.abort()"), 60.0)
    assert rows == []
    assert why == "exit -6: CUDA error: gone"


def test_the_table_is_kept_and_a_failed_part_is_exit_1(tmp_path, monkeypatch, capsys):
    found = iter([([Row("a", "1", "", 1.0, 1.0)], ""), ([], "exit 1")])
    monkeypatch.setattr(proof, "run_part", lambda *_: next(found))
    kept = tmp_path / "made" / "gpu.json"
    assert proof.main(["answers", "speed", "--device", "cpu", "--tiny", "--save", str(kept)]) == 1
    assert list(saved(kept)) == ["machine", "a", "speed: not finished"]
    assert "short" in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")
def test_without_a_card_it_says_so_and_ends_with_3(capsys):
    assert proof.main([]) == 3
    assert proof.NO_CARD in capsys.readouterr().out


def test_noise_is_the_same_in_every_process():
    assert np.array_equal(noise(2, 64), noise(2, 64))
