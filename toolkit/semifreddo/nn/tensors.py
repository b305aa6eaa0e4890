"""The quantized tensors of a model by role: what trains them, what scales them, their values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from brevitas.nn.quant_layer import QuantWeightBiasInputOutputLayer
from torch import Tensor, nn

from semifreddo.core.errors import ConversionError
from semifreddo.ir.layers import Role


@dataclass(frozen=True)
class QuantizedTensor:
    """A weight, a bias, or the factors of a blend.

    Attributes:
        name: ``<module path>.<role>``, as exports and freeze plans name it.
        module: The module that owns it.
        dim: The dimension of :attr:`parameter` that runs over output channels.
    """

    role: ClassVar[Role]
    dim: ClassVar[int] = 0
    name: str
    module: Any

    @property
    def present(self) -> bool:
        """Whether the module has such a tensor and quantizes it."""
        return getattr(self.module, self.role) is not None and bool(
            getattr(self.module, f"{self.role}_quant").is_quant_enabled
        )

    @property
    def parameter(self) -> nn.Parameter:
        """What the optimizer changes."""
        parameter: nn.Parameter = getattr(self.module, self.role)
        return parameter

    @property
    def outputs(self) -> int:
        """Output channels."""
        return int(self.parameter.shape[self.dim])

    @property
    def quantizer(self) -> Any | None:
        """The Brevitas quantizer whose scale can be pinned; None where the scale is a constant."""
        return getattr(self.module, f"{self.role}_quant")

    def quantized(self) -> tuple[Tensor, Tensor]:
        """Values on their grid, output channel first, and the scale.

        Raises:
            ConversionError: The scale is not known yet.
        """
        raise NotImplementedError


class Weight(QuantizedTensor):
    """The weight of a layer."""

    role = "weight"
    transposed: ClassVar[bool] = False

    @property
    def present(self) -> bool:
        return super().present and _is_transposed(self.module) == self.transposed

    def quantized(self) -> tuple[Tensor, Tensor]:
        weight = self.module.quant_weight()
        return weight.value, weight.scale


class TransposedWeight(Weight):
    """The weight of a transposed convolution, whose output channels are its second dimension."""

    dim = 1
    transposed = True

    def quantized(self) -> tuple[Tensor, Tensor]:
        value, scale = super().quantized()
        return value.transpose(0, 1), scale.transpose(0, 1) if scale.dim() > 1 else scale


def _is_transposed(module: nn.Module) -> bool:
    """Whether output channels are the second dimension; with groups they are part of the first."""
    kinds = (nn.ConvTranspose1d, nn.ConvTranspose2d)
    return isinstance(module, kinds) and module.groups == 1


class Bias(QuantizedTensor):
    """The bias of a layer."""

    role = "bias"

    def quantized(self) -> tuple[Tensor, Tensor]:
        proxy = self.module.bias_quant
        if proxy.requires_input_scale and proxy._cached_bias is None:
            raise ConversionError(
                f"{self.name}: its scale is the accumulator's, which is known only after a run; "
                "call cache_bias_scales(model, images) first"
            )
        bias = self.module.quant_bias()
        return bias.value, bias.scale


OWNERS: dict[type[nn.Module], tuple[type[QuantizedTensor], ...]] = {
    QuantWeightBiasInputOutputLayer: (Weight, TransposedWeight, Bias),
}
"""The tensors that modules of a class own; who writes such a class registers them here."""


def _owned(path: str, module: nn.Module) -> Iterator[QuantizedTensor]:
    for owner, kinds in OWNERS.items():
        if isinstance(module, owner):
            for kind in kinds:
                tensor = kind(f"{path}.{kind.role}".lstrip("."), module)
                if tensor.present:
                    yield tensor


def quantized_tensors(model: nn.Module) -> dict[str, QuantizedTensor]:
    """Every quantized tensor of a model by name, in module order."""
    return {
        tensor.name: tensor
        for path, module in model.named_modules()
        for tensor in _owned(path, module)
    }
