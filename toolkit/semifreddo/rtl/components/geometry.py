"""Where windows are and how many cycles forming them takes, as ``library/sf_window.sv`` is told.

And where the pixels are that blocks are made of, as ``library/sf_upsample.sv`` is told.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from semifreddo.core.errors import ProjectError
from semifreddo.core.fixed import IntArray
from semifreddo.ir.layers import AvgPool, Conv, Linear, MaxPool, Stream, Upsample


@dataclass(frozen=True)
class Geometry:
    """A sliding window over an image.

    Attributes:
        height: Rows of the image.
        width: Columns of the image.
        kernel: Rows and columns of the window.
        stride: Rows and columns between windows.
        top: Zero rows above the image.
        left: Zero columns before the image.
        out: Rows and columns of windows; padding below and after the image follows from it.
    """

    height: int
    width: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    top: int
    left: int
    out: tuple[int, int]

    @classmethod
    def of(cls, layer: Conv | Linear | MaxPool | AvgPool, source: Stream) -> Geometry:
        """The window of a layer.

        Raises:
            ProjectError: Padding above or before the image reaches the kernel's size, so that
                whole windows would see nothing.
        """
        height, width, _ = source.shape
        if isinstance(layer, Linear):
            return cls(height, width, (height, width), (1, 1), 0, 0, (1, 1))
        top, left, *_ = layer.padding if not isinstance(layer, AvgPool) else (0, 0)
        if top >= layer.kernel[0] or left >= layer.kernel[1]:
            raise ProjectError(
                f"{layer.name}: padding {top} above and {left} left is not smaller than the "
                f"kernel {layer.kernel[0]}x{layer.kernel[1]}; reduce the padding"
            )
        out = layer.output.shape[:2]
        return cls(height, width, layer.kernel, layer.stride, top, left, out)

    @property
    def trivial(self) -> bool:
        """Whether each pixel is its own window."""
        return (self.kernel, self.stride) == ((1, 1), (1, 1)) and self.out == (
            self.height,
            self.width,
        )

    @property
    def disjoint(self) -> bool:
        """Whether windows do not overlap and lie inside the image."""
        rows = (self.out[0] - 1) * self.stride[0] + self.kernel[0]
        columns = (self.out[1] - 1) * self.stride[1] + self.kernel[1]
        return (
            self.kernel[0] <= self.stride[0]
            and self.kernel[1] <= self.stride[1]
            and (self.top, self.left) == (0, 0)
            and rows <= self.height
            and columns <= self.width
        )

    @property
    def lead(self) -> int:
        """Cycles from the tick that completes a window, if nothing waits, to the window."""
        return 0 if self.trivial else 2

    @property
    def taps(self) -> int:
        """Pixels of a window."""
        return self.kernel[0] * self.kernel[1]

    @property
    def windows(self) -> int:
        """Windows per image."""
        return self.out[0] * self.out[1]

    @property
    def lag(self) -> int:
        """Columns by which a window trails the newest column."""
        return self.kernel[1] - 1 - self.left

    @property
    def last_column(self) -> int:
        """Left edge of the last window of a row, counted from the first one's."""
        return (self.out[1] - 1) * self.stride[1]

    @property
    def span(self) -> int:
        """Ticks per row."""
        return max(self.width, self.last_column + 1, self.lag + 1)

    @property
    def skip(self) -> int:
        """Rows at the top of an image that complete no window."""
        return self.kernel[0] - 1 - self.top

    @property
    def last_row(self) -> int:
        """The row that completes the last windows; it may lie below the image."""
        return self.skip + (self.out[0] - 1) * self.stride[0]

    @property
    def drain(self) -> int:
        """Rows of windows that need no further pixel."""
        return max(0, self.last_row - (self.height - 1))

    @property
    def overlap(self) -> int:
        """Drain rows that run while the next image's first rows go in."""
        return min(self.drain, self.skip, self.height - 1)

    @property
    def trails(self) -> bool:
        """Whether windows are left when the last row has gone in or drained."""
        return self.last_column + self.lag >= self.span

    @property
    def ticks(self) -> int:
        """Ticks per image when its end comes out beside the next image's first rows."""
        return (self.height + self.drain - self.overlap) * self.span

    @property
    def ticks_alone(self) -> int:
        """Ticks per image when its end comes out before the next image goes in."""
        return (self.height + self.drain) * self.span + (self.lag if self.trails else 0)

    def pixel_ticks(self) -> IntArray:
        """For every pixel in order, the tick in which it goes in."""
        rows, columns = np.divmod(np.arange(self.height * self.width), self.width)
        return np.asarray(rows * self.span + columns, np.int64)

    def window_ticks(self) -> IntArray:
        """For every window in order, the tick that completes it.

        Ticks from :attr:`ticks` on are beside the next image, or alone.
        """
        rows = self.skip + np.arange(self.out[0]) * self.stride[0]
        columns = np.arange(self.out[1]) * self.stride[1] + self.lag
        return np.asarray((rows[:, None] * self.span + columns).reshape(-1), np.int64)


@dataclass(frozen=True)
class Blocks:
    """Blocks of pixels, one for each pixel of an image, and the rectangle of them that is kept.

    A tick is a pixel of a block; it yields where the rectangle is.

    Attributes:
        height: Rows of the image.
        width: Columns of the image.
        factor: Rows and columns of a block.
        origin: Row and column at which the rectangle begins.
        size: Its rows and columns.
    """

    height: int
    width: int
    factor: tuple[int, int]
    origin: tuple[int, int]
    size: tuple[int, int]

    @classmethod
    def of(cls, layer: Upsample, source: Stream) -> Blocks:
        """The blocks of a layer."""
        height, width, _ = source.shape
        return cls(height, width, layer.factor, layer.origin, layer.size)

    @property
    def ticks(self) -> int:
        """Ticks per image."""
        return self.height * self.factor[0] * self.width * self.factor[1]

    def pixel_ticks(self) -> IntArray:
        """For every pixel in order, the tick in which it goes in."""
        rows, columns = np.arange(self.height) * self.factor[0], np.arange(self.width)
        return self._at(rows, columns * self.factor[1])

    def result_ticks(self) -> IntArray:
        """For every result in order, its tick."""
        rows, columns = (
            np.arange(first, first + count)
            for first, count in zip(self.origin, self.size, strict=True)
        )
        return self._at(rows, columns)

    def _at(self, rows: IntArray, columns: IntArray) -> IntArray:
        span = self.width * self.factor[1]
        return np.asarray((rows[:, None] * span + columns).reshape(-1), np.int64)
