"""What joins the cores: alpha blending and the core shuffle."""

from __future__ import annotations

from typing import cast

import torch
from brevitas.nn import QuantIdentity
from torch import Tensor, nn

from semifreddo.ir.layers import ALPHA_FRAC
from semifreddo.nn.quant import activation_quant, constant_quant
from semifreddo.nn.tensors import OWNERS, QuantizedTensor

_ALPHA_BITS = ALPHA_FRAC + 1


class AlphaBlend(nn.Module):
    """``alpha * frozen + (1 - alpha) * trainable``, per channel, with alpha = k / 8.

    Alpha is the sigmoid of the trainable :attr:`logit`, rounded to eighths. The buffer
    :attr:`alpha` holds the values last used, one per channel; exports contain it (and neither the
    logit nor the sigmoid), so the factors appear under the name ``<module path>.alpha``.

    Args:
        channels: Channels of both inputs.
        bits: Bits of the unsigned output.
        per_channel: One factor per channel, or a single one for the layer.
    """

    alpha: Tensor

    def __init__(self, channels: int, bits: int, *, per_channel: bool = True) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.zeros(1, channels if per_channel else 1, 1, 1))
        self.register_buffer("alpha", torch.full((1, channels, 1, 1), 0.5))
        self.alpha_quant = QuantIdentity(act_quant=constant_quant(_ALPHA_BITS, ALPHA_FRAC))
        self.out = QuantIdentity(act_quant=activation_quant(bits))

    def factors(self) -> Tensor:
        """The quantized factors, ``(1, channels, 1, 1)``, with gradients to the logit."""
        if torch.onnx.is_in_onnx_export():
            return cast(Tensor, self.alpha_quant(self.alpha))
        factors = cast(Tensor, self.alpha_quant(torch.sigmoid(self.logit)))
        with torch.no_grad():
            self.alpha.copy_(factors.expand_as(self.alpha))
        return factors

    def forward(self, frozen: Tensor, trainable: Tensor) -> Tensor:
        alpha = self.factors()
        return cast(Tensor, self.out(frozen * alpha + trainable * (1 - alpha)))


class BlendFactors(QuantizedTensor):
    """The factors of a blend, one per channel; the parameter may be one for all channels."""

    role = "alpha"
    dim = 1

    @property
    def present(self) -> bool:
        return True

    @property
    def parameter(self) -> nn.Parameter:
        logit: nn.Parameter = self.module.logit
        return logit

    @property
    def outputs(self) -> int:
        return int(self.module.alpha.shape[self.dim])

    @property
    def quantizer(self) -> None:
        return None

    def quantized(self) -> tuple[Tensor, Tensor]:
        self.module.factors()
        return self.module.alpha.flatten(), torch.tensor(2.0**-ALPHA_FRAC)


OWNERS[AlphaBlend] = (BlendFactors,)


class CoreShuffle(nn.Module):
    """Exchange between the trainable cores: core 1 gets the even channels of both, core 2 the odd.

    Pure wiring: concatenation and two selections of channels.
    """

    even: Tensor
    odd: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        both = torch.arange(2 * channels)
        index = both % channels
        self.register_buffer("even", both[index % 2 == 0], persistent=False)
        self.register_buffer("odd", both[index % 2 == 1], persistent=False)

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        both = torch.cat((first, second), 1)
        return torch.index_select(both, 1, self.even), torch.index_select(both, 1, self.odd)
