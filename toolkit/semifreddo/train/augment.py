"""What a training sees instead of an image: mirrored, shifted, or a part of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from semifreddo.train.options import TrainOptions


def augmented(
    x: Tensor, options: TrainOptions, random: torch.Generator, crop: int | None = None
) -> Tensor:
    """Random mirroring, and crops or shifts, another for each image.

    Args:
        x: Images, (count, channels, height, width).
        options: Whether to mirror, and how far to shift; what enters is zero.
        random: The only source of chance.
        crop: Side of a square part to show instead of the shifted image.
    """
    count = len(x)
    if options.flip:
        flip = torch.rand(count, generator=random) < 0.5
        x = torch.where(flip[:, None, None, None], x.flip(3), x)
    height, width = x.shape[2:]
    if crop is not None:
        down = torch.randint(0, height - crop + 1, (count, 1), generator=random)
        right = torch.randint(0, width - crop + 1, (count, 1), generator=random)
        height = width = crop
    elif options.shift:
        reach = options.shift
        x = nn.functional.pad(x, [reach] * 4)
        down, right = torch.randint(0, 2 * reach + 1, (2, count, 1), generator=random)
    else:
        return x
    rows = (torch.arange(height) + down)[:, None, :, None]
    columns = (torch.arange(width) + right)[:, None, None, :]
    image = torch.arange(count)[:, None, None, None]
    return x[image, torch.arange(x.shape[1])[None, :, None, None], rows, columns]
