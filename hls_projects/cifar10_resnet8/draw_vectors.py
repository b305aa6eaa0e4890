"""Golden vectors of this design: drawn scenes, for nothing says that its images may be passed on.

Every picture is a ground and a sky, and before them a body of ellipses and boxes on legs or wheels,
in colours and light of its own. The truth ladder asks whether all rungs give the same integers, and
for that any picture will do that drives the layers as real ones do. These pictures say nothing
about accuracy: that was measured on the test images of the set.

    python hls_projects/cifar10_resnet8/draw_vectors.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from semifreddo.core.vectors import VectorSet
from semifreddo.nn.integers import raw_outputs
from semifreddo.train.checkpoint import load_checkpoint

SIZE = 32
COUNT = 8
SEED = 10

Pixels = npt.NDArray[np.float64]


def paint(pixels: Pixels, centre: Pixels, reach: Pixels, colour: Pixels, *, round_: bool) -> None:
    """An ellipse or a box: ``centre`` and ``reach`` are (down, right) in pixels."""
    grid = np.mgrid[0:SIZE, 0:SIZE]
    down, right = np.abs(grid - centre[:, None, None]) / reach[:, None, None]
    inside = np.hypot(down, right) < 1 if round_ else np.maximum(down, right) < 1
    pixels[inside] = colour


def picture(random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """One scene, uint8 ``(32, 32, 3)``."""
    sky, ground, body, part = random.uniform(0, 1, (4, 3))
    horizon = random.uniform(8, 28)
    blend = 1 / (1 + np.exp(np.mgrid[0:SIZE, 0:SIZE][0] - horizon))[..., None]
    pixels = sky * blend + ground * (1 - blend)
    centre, reach = random.uniform(12, 20, 2), random.uniform((4, 6), (8, 12))
    wheels = random.random() < 0.5
    for side in (-0.6, 0.6):
        foot = centre + reach * (1, side)
        limb = np.array((2.5, 2.5)) if wheels else np.array((random.uniform(4, 7), 1.2))
        paint(pixels, foot, limb, part * 0.6, round_=wheels)
    paint(pixels, centre, reach, body, round_=not wheels)
    top = centre - reach * (0.9, random.uniform(-0.8, 0.8))
    paint(pixels, top, reach * 0.5, random.uniform(0, 1, 3), round_=not wheels)
    pixels = pixels * random.uniform(0.4, 1.0) + random.normal(0, 0.03, pixels.shape)
    return np.rint(255 * np.clip(pixels, 0, 1)).astype(np.uint8)


def main() -> None:
    """Draw, ask the trained model, write ``vectors.npz``."""
    folder = Path(__file__).parent
    random = np.random.default_rng(SEED)
    images = np.stack([picture(random) for _ in range(COUNT)])
    model = load_checkpoint(folder / "model.safetensors").model
    VectorSet(images, raw_outputs(model, images)).save(folder / "vectors.npz")


if __name__ == "__main__":
    main()
