"""A VOI serves the eye alone: a broken one never stops reading, and the display shows the picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom import Dataset

from ra_node.imaging.pixels import Radiograph, read_radiograph
from tests.imaging.datasets import image_dataset, ramp

PICTURE = ramp(12)


def lut(descriptor: list[Any], data: bytes | None) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", descriptor)
    if data is not None:
        item.add_new("LUTData", "OW", data)
    return item


def words(count: int, top: int) -> bytes:
    return np.linspace(0, top, count).astype("<u2").tobytes()


TABLES = {
    "without data": lut([4096, 0, 12], None),
    "shorter than its descriptor": lut([4096, 0, 12], words(100, 4095)),
    "without descriptor": lut([], words(4096, 4095)),
    "with a short descriptor": lut([4096, 0], words(4096, 4095)),
    "of one grey": lut([4096, 0, 12], bytes(8192)),
}
WINDOWS = [("2048", "0"), ("2048", "-5"), ("1e300", "1"), ("90000", "10"), ("", ""), ("middle", "wide")]


def shows(radiograph: Radiograph) -> bool:
    low, high = np.percentile(radiograph.display, (1, 99))
    return bool(high - low > 200)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("keyword", ["VOILUTSequence", "ModalityLUTSequence"])
def test_a_broken_table_is_left_out_with_a_remark(table, keyword):
    dataset = image_dataset(PICTURE, bits=12, WindowCenter=2048, WindowWidth=4096, **{keyword: [table]})
    radiograph = read_radiograph(dataset)
    if keyword == "VOILUTSequence" or table is not TABLES["of one grey"]:
        np.testing.assert_array_equal(radiograph.values, PICTURE)
        assert shows(radiograph)
        (remark,) = radiograph.remarks
        assert "was not used" in remark


@pytest.mark.parametrize(("stated", "used"), [(16, 12), (12, 12), (8, 12), (16, 10)])
def test_a_table_is_scaled_by_what_its_data_holds(stated, used):
    """Some name 16 bits for 12, and the display would be black; some name 8, and it would be white."""
    table = lut([4096, 0, stated], words(4096, (1 << used) - 1))
    radiograph = read_radiograph(image_dataset(PICTURE, bits=12, VOILUTSequence=[table]))
    assert shows(radiograph)
    assert not radiograph.remarks
    assert abs(float(np.median(radiograph.display)) - 127) < 5


@pytest.mark.parametrize(("centre", "width"), WINDOWS)
def test_a_window_that_shows_nothing_is_left_out(centre, width):
    dataset = image_dataset(PICTURE, bits=12)
    dataset.add_new("WindowCenter", "LO", centre)
    dataset.add_new("WindowWidth", "LO", width)
    assert shows(read_radiograph(dataset))


def test_the_second_window_counts_where_the_first_shows_nothing():
    dataset = image_dataset(PICTURE, bits=12, WindowCenter=[-900, 2048], WindowWidth=[1, 4096])
    radiograph = read_radiograph(dataset)
    assert shows(radiograph)
    assert not radiograph.remarks
