"""A compiled loop that crops, stretches, flips, normalises and blanks images in one pass, sample after sample."""

from __future__ import annotations

import numpy as np

from stages.arrays.compiled import compiled

jit = compiled()


@jit
def neighbours(first, share, low, high, weight):  # type: ignore[no-untyped-def]
    """Set, for each of n pixels of one axis, the two source pixels `low`, `high` and the `weight` of `high`, (n) each.

    Pixel i has its centre at first + share · (i + ½) / n of the axis; beyond the border it reads the border's pixel.
    """
    n_pixels = low.size
    for i in range(n_pixels):
        centre = first * n_pixels + share * (i + 0.5) - 0.5
        centre = min(max(centre, 0.0), n_pixels - 1.0)
        low[i] = int(centre)
        high[i] = min(low[i] + 1, n_pixels - 1)
        weight[i] = np.float32(centre - low[i])


@jit
def mix(start, end, share):  # type: ignore[no-untyped-def]
    """The value between two, in float32."""
    return np.float32(start) + share * (np.float32(end) - np.float32(start))


@jit
def stretch(line, left, right, across, result):  # type: ignore[no-untyped-def]
    """Put the pixels of `line` (W · C) into `result` (W, C), between those at `left` and `right` by `across`, (W) each."""
    n_columns, n_channels = result.shape
    for column in range(n_columns):
        for channel in range(n_channels):
            start, end = line[left[column] * n_channels + channel], line[right[column] * n_channels + channel]
            result[column, channel] = mix(start, end, across[column])


@jit
def crop_images(images, windows, flip, blank_rows, blank_columns, mean, scale, result):  # type: ignore[no-untyped-def]
    """Put (crop − mean) · scale of every image into `result` (B, H, W, 3) float32, 0 if row and column are both blank.

    `images` (B, H, W, 3) uint8 or float32; `windows` (B, 4) float64: top, left, height, width as shares of the image;
    `flip` (B), `blank_rows` (B, H), `blank_columns` (B, W) bool; `mean` and `scale` (W · 3) float32, a pixel's three values
    repeated. Pixels are placed as in `apply_crops`.
    """
    n_images, n_rows, n_columns, n_channels = images.shape
    upper, lower, down = np.empty(n_rows, np.int64), np.empty(n_rows, np.int64), np.empty(n_rows, np.float32)
    left, right, across = np.empty(n_columns, np.int64), np.empty(n_columns, np.int64), np.empty(n_columns, np.float32)
    line = np.empty(n_columns * n_channels, np.float32)
    rows = images.reshape(n_images, n_rows, n_columns * n_channels)
    for image in range(n_images):
        top, first, height, width = windows[image]
        if flip[image]:
            first, width = first + width, -width
        neighbours(top, height, upper, lower, down)
        neighbours(first, width, left, right, across)
        for row in range(n_rows):
            above, below = rows[image, upper[row]], rows[image, lower[row]]
            for j in range(line.size):
                line[j] = (mix(above[j], below[j], down[row]) - mean[j]) * scale[j]
            stretch(line, left, right, across, result[image, row])
            if blank_rows[image, row]:
                for column in range(n_columns):
                    if blank_columns[image, column]:
                        result[image, row, column] = 0.0
