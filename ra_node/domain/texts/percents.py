"""Probabilities in percent, with no more digits than measurements support."""

from __future__ import annotations


def whole_percents(share: float, operating_point: float) -> tuple[str, str]:
    """A probability and its operating point in whole percent, "<1" and ">99" at the ends.

    As many decimals as are needed where rounding would reverse the comparison.
    """
    for digits in (0, 1, 2, 3):
        first, second = (round(100 * value, digits) for value in (share, operating_point))
        if (first >= second) == (share >= operating_point):
            break
    return _whole(first, digits), _whole(second, digits)


def coded_percents(share: float, operating_point: float) -> tuple[float, str]:
    """As `whole_percents`, for a numeric value with its operating point.

    The value is 1 to 99 as far as it stays on its side of the operating point: no test supports 0 or 100.
    """
    positive = share >= operating_point
    for digits in (0, 1, 2, 3):
        value = min(max(round(100 * share, digits), 1.0), 99.0) if digits == 0 else round(100 * share, digits)
        point = round(100 * operating_point, max(digits, 1))
        if (value >= point) == positive:
            break
    return (int(value) if digits == 0 else value), f"{point:.{max(digits, 1)}f}"


def _whole(percent: float, digits: int) -> str:
    if digits == 0 and percent < 1:
        return "<1"
    if digits == 0 and percent > 99:
        return ">99"
    return f"{percent:.{digits}f}"
