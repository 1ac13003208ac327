"""Compiled loops; import it late, numba is an extra."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numba import njit

MOST_ALPHA = 0.99
LEAST_LIGHT = 1e-4  # a pixel that lets less through is done
NEITHER_SIDE = 1e-9  # a rounding error must not cost a pixel, which is tested again


def quick(function: Callable) -> Callable:
    """The function compiled at its first call, kept on the disk for other processes where there is a place."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # neither its folder nor the user's can be written to
        return njit(nogil=True)(function)


@quick
def composite(
    first,
    end,
    size,
    centre,
    conic,
    opacity,
    limit,
    rows,
    least,
    starts,
    count,
    light,
    number,
    columns,
    values,
):
    """Rows first..end of a picture, front to back: what each ellipse gives to each pixel.

    starts: (S*S + 1,) where the entries of a pixel begin in columns and values; empty: they are only counted.
    count: (S*S,) entries, light: (S*S,) what is let through, both written.
    """
    filling = len(starts) > 0
    done = np.zeros(size * (end - first), np.bool_)
    for pixel in range(first * size, end * size):
        count[pixel], light[pixel] = 0, 1.0
    for k in range(len(number)):
        xx, xy, yy = conic[k]
        for row in range(max(first, rows[k, 0]), min(end, rows[k, 1])):
            dy = row + 0.5 - centre[k, 1]
            inside = limit[k] * (1 + NEITHER_SIDE) * xx - dy * dy * (xx * yy - xy * xy)
            if inside < 0:
                continue
            half, middle = math.sqrt(inside) / xx, centre[k, 0] - xy * dy / xx - 0.5
            low = int(max(0.0, math.ceil(middle - half - NEITHER_SIDE)))
            high = int(min(size - 1.0, math.floor(middle + half + NEITHER_SIDE)))
            for column in range(low, high + 1):
                pixel = row * size + column
                if done[pixel - first * size]:
                    continue
                dx = column + 0.5 - centre[k, 0]
                power = -0.5 * (xx * dx * dx + yy * dy * dy) - xy * dx * dy
                alpha = min(MOST_ALPHA, opacity[k] * math.exp(power))
                if alpha < least:
                    continue
                left = light[pixel] * (1 - alpha)
                if left < LEAST_LIGHT:
                    done[pixel - first * size] = True
                    continue
                if filling:
                    columns[starts[pixel] + count[pixel]] = number[k]
                    values[starts[pixel] + count[pixel]] = alpha * light[pixel]
                count[pixel] += 1
                light[pixel] = left


@quick
def normal_product(starts, columns, values, trust, x, out):
    """out (K, 3) += A^T (trust * (A x)), for A (P, K) in CSR, trust (P,), x (K, 3)."""
    for pixel in range(len(starts) - 1):
        if trust[pixel] == 0:
            continue
        red, green, blue = 0.0, 0.0, 0.0
        for k in range(starts[pixel], starts[pixel + 1]):
            splat, value = columns[k], values[k]
            red += value * x[splat, 0]
            green += value * x[splat, 1]
            blue += value * x[splat, 2]
        red, green, blue = red * trust[pixel], green * trust[pixel], blue * trust[pixel]
        for k in range(starts[pixel], starts[pixel + 1]):
            splat, value = columns[k], values[k]
            out[splat, 0] += value * red
            out[splat, 1] += value * green
            out[splat, 2] += value * blue
