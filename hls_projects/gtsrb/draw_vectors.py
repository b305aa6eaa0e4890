"""Golden vectors of this design: drawn signs, for the benchmark's images may not be passed on.

Every picture is one of six shapes in the colours of real signs, somewhere in the frame, in its own
light, before a background that runs from one colour to another. The truth ladder asks whether all
rungs give the same integers, and for that any picture will do that drives the layers as real ones
do. These pictures say nothing about accuracy: that was measured on the benchmark's test images.

    python hls_projects/gtsrb/draw_vectors.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from semifreddo.core.vectors import VectorSet
from semifreddo.nn.integers import raw_outputs
from semifreddo.train.checkpoint import load_checkpoint

SIZE = 32
COUNT = 128
SEED = 43

Image = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

RED, BLUE, YELLOW = (0.8, 0.1, 0.1), (0.1, 0.25, 0.75), (0.95, 0.8, 0.1)
WHITE, BLACK = (0.95, 0.95, 0.95), (0.05, 0.05, 0.05)


def polygon(x: Image, y: Image, corners: int, turn: float) -> Image:
    """Distance from the centre in units of a regular polygon's size: 1 on its edge."""
    angle = np.arctan2(y, x) - turn
    step = 2 * np.pi / corners
    return np.hypot(x, y) * np.cos((angle % step) - step / 2) / np.cos(step / 2)


def sign(kind: int, x: Image, y: Image) -> list[tuple[Mask, tuple[float, float, float]]]:
    """Areas of a sign and their colours, painted one over the other."""
    disc = np.hypot(x, y)
    up, down = polygon(x, y, 3, -np.pi / 2), polygon(x, y, 3, np.pi / 2)
    square, octagon = polygon(x, y, 4, 0), polygon(x, y, 8, np.pi / 8)
    bar = np.abs(y) < 0.2
    return [
        [(disc < 1, RED), (disc < 0.75, WHITE), ((disc < 0.5) & (np.abs(x) < 0.15), BLACK)],
        [(disc < 1, BLUE), ((disc < 0.6) & (np.abs(x + y) < 0.25), WHITE)],
        [(up < 1, RED), (up < 0.65, WHITE), ((up < 0.4) & (np.abs(x) < 0.12), BLACK)],
        [(down < 1, RED), (down < 0.6, WHITE)],
        [(square < 1, WHITE), (square < 0.8, YELLOW)],
        [(octagon < 1, RED), ((octagon < 0.7) & bar, WHITE)],
    ][kind]


def picture(random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """One sign, uint8 ``(32, 32, 3)``."""
    rows, columns = np.mgrid[0:SIZE, 0:SIZE] / (SIZE / 2) - 1
    one, two = random.uniform(0, 0.8, (2, 3))
    slope = (rows * random.uniform(-1, 1) + columns * random.uniform(-1, 1))[..., None] / 2 + 0.5
    pixels = one * slope + two * (1 - slope)
    right, down = random.uniform(-0.15, 0.15, 2)
    scale = random.uniform(0.6, 0.9)
    x, y = (columns - right) / scale, (rows - down) / scale
    for area, colour in sign(int(random.integers(6)), x, y):
        pixels[area] = colour
    light = random.uniform(0.25, 1.0)
    noise = random.normal(0, 0.02, pixels.shape)
    return np.rint(255 * np.clip(pixels * light + noise, 0, 1)).astype(np.uint8)


def main() -> None:
    """Draw, ask the trained model, write ``vectors.npz``."""
    folder = Path(__file__).parent
    random = np.random.default_rng(SEED)
    images = np.stack([picture(random) for _ in range(COUNT)])
    model = load_checkpoint(folder / "model.safetensors").model
    VectorSet(images, raw_outputs(model, images)).save(folder / "vectors.npz")


if __name__ == "__main__":
    main()
