"""What carries images to a device and answers back; the same for a board and a simulation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from semifreddo.core.errors import DataError, TaskError
from semifreddo.core.fixed import FixedType


@dataclass(frozen=True)
class DeviceInfo:
    """Who is at the other end.

    Attributes:
        net: Name of the design.
        device_digest: Digest the device was built with.
        backend: ``csim``, ``rtl``, ``pynq``…
        formats: Value formats of input and output, for devices that cannot tell them.
    """

    net: str
    device_digest: str
    backend: str
    formats: tuple[FixedType, FixedType] | None = None

    def check_task(self, words: npt.NDArray[np.uint32], count: int) -> None:
        """Refuse what cannot be a task of the device, which has ``count`` words.

        Raises:
            TaskError: Wrong number or type of words.
        """
        if words.shape != (count,) or words.dtype != np.uint32:
            raise TaskError(
                f"{self.net}: task has {words.size} words of {words.dtype}, the device "
                f"needs {count} of uint32"
            )

    def check_images(self, images: npt.NDArray[np.integer], shape: tuple[int, ...]) -> None:
        """Refuse what cannot be raw images of a device with frames of ``shape``.

        Raises:
            DataError: They do not have the shape, or are no integers.
        """
        if images.ndim != 4 or images.shape[1:] != shape:
            raise DataError(
                f"{self.net}: images have shape {images.shape}, expected (n, "
                f"{', '.join(map(str, shape))})"
            )
        if images.dtype.kind not in "iu":
            raise DataError(f"{self.net}: images are {images.dtype}, expected integers")


class Transport(Protocol):
    """A device that turns images into raw results, one frame at a time and in order.

    Every method that waits takes a time-out in seconds and raises
    :class:`~semifreddo.core.errors.TransportTimeoutError` naming the stream that stalled. After any
    error the next call works again or says that the device must be opened anew.
    """

    @property
    def info(self) -> DeviceInfo:
        """Identity of the device."""
        ...

    def load(self, words: npt.NDArray[np.uint32], timeout_s: float) -> None:
        """Make the device use new task words from the next frame on."""
        ...

    def run(self, images: npt.NDArray[np.integer], timeout_s: float) -> npt.NDArray[np.int64]:
        """Stream raw images ``(n, height, width, channels)``; give raw results ``(n, outputs)``."""
        ...

    def close(self) -> None:
        """Release the device. Closing twice is allowed."""
        ...


class TransportFactory(Protocol):
    """What a package registers in the entry-point group ``semifreddo.transports``."""

    def __call__(
        self,
        device_file: Path,
        info: DeviceInfo,
        *,
        image_shape: tuple[int, int, int],
        outputs: int,
        words: int,
    ) -> Transport:
        """Open a device.

        Args:
            device_file: The executable or bitstream, its digest already proven.
            info: Who the device must be.
            image_shape: ``(height, width, channels)`` of a frame.
            outputs: Raw integers per answer.
            words: 32-bit words of a task.
        """
        ...
