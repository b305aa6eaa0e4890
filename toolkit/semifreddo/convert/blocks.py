"""Weight blocks: from the exported parameters to the integers of the network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from semifreddo.convert.values import Constant
from semifreddo.core.errors import ConversionError
from semifreddo.ir.freeze import FreezePlan, IntegerTensor
from semifreddo.ir.layers import ROLES, Role, WeightBlock

Frozen: TypeAlias = Literal["plan", "all", "none"]


@dataclass(frozen=True, eq=False)
class Draft:
    """A constant in the layout of a block.

    Attributes:
        raw: Integers, output channel last.
        frac: Fraction bits, same shape.
        index: Flat position of each entry in its parameter, same shape; None without a parameter.
    """

    raw: npt.NDArray[np.int64]
    frac: npt.NDArray[np.int64]
    index: npt.NDArray[np.int64] | None

    @classmethod
    def of(cls, constant: Constant) -> Draft:
        """The entries of a quantized constant, in its own layout."""
        assert constant.quantized is not None, constant.name
        return cls(constant.raw, constant.quantized.frac, constant.index)

    def move(self, *axes: int) -> Draft:
        """Transpose all arrays."""
        index = None if self.index is None else self.index.transpose(axes)
        return Draft(self.raw.transpose(axes), self.frac.transpose(axes), index)

    def rows(self, order: npt.NDArray[np.int64]) -> Draft:
        """Put row ``i`` at row ``order[i]``."""
        back = np.argsort(order)
        index = None if self.index is None else self.index[back]
        return Draft(self.raw[back], self.frac[back], index)

    def reshape(self, *shape: int) -> Draft:
        """Reshape all arrays."""
        index = None if self.index is None else self.index.reshape(shape)
        return Draft(self.raw.reshape(shape), self.frac.reshape(shape), index)


class Blocks:
    """All weight blocks of a network, one for each parameter however often it is used.

    Args:
        plan: Which tensors are frozen; None if the model has no plan.
        frozen: Follow the plan (without one, everything is frozen), or freeze all or nothing.
    """

    def __init__(self, plan: FreezePlan | None, frozen: Frozen) -> None:
        self._plan = plan
        self._frozen = frozen
        self._tensors: dict[str, IntegerTensor] = {}
        self.by_name: dict[str, WeightBlock] = {}

    def add(self, role: Role, constant: Constant, draft: Draft, what: str) -> WeightBlock:
        """Make the block of a constant, or find the one made at an earlier use.

        Args:
            role: What it is used for.
            constant: The quantized constant.
            draft: Its entries in the block's layout.
            what: The layer that uses it, for messages.

        Raises:
            ConversionError: Scales vary inside an output channel, or uses disagree.
        """
        assert constant.quantized is not None
        name = constant.parameter or re.sub(r"[^A-Za-z0-9]+", "_", constant.name).strip("_")
        frac = draft.frac.reshape(-1, draft.frac.shape[-1])
        if (frac != frac[0]).any():
            raise ConversionError(
                f"{what}: the scales of {name!r} vary inside an output channel; use one scale per "
                "tensor or per output channel"
            )
        outputs = draft.raw.shape[-1]
        if constant.parameter is not None:
            self._tensors.setdefault(name, _torch_layout(constant, draft, what))
        chosen = (constant.quantized.bits, constant.quantized.signed)
        bits, signed = ROLES[role].storage or chosen
        block = WeightBlock(
            name=name,
            role=role,
            raw=np.ascontiguousarray(draft.raw),
            bits=bits,
            signed=signed,
            frac=tuple(int(entry) for entry in frac[0]),
            frozen=self._flags(constant, name, outputs),
        )
        known = self.by_name.setdefault(name, block)
        if known != block:
            raise ConversionError(
                f"{what}: parameter {name!r} is also used in another layout or format; give each "
                "use its own parameter"
            )
        return known

    def _flags(self, constant: Constant, name: str, outputs: int) -> tuple[bool, ...]:
        if constant.parameter is None or self._frozen == "all":
            return (True,) * outputs
        if self._frozen == "none":
            return (False,) * outputs
        return (True,) * outputs if self._plan is None else self._plan.channels(name, outputs)

    def verify(self) -> None:
        """Compare every frozen tensor with the digest in the plan.

        Raises:
            FrozenTensorChangedError: Names those that changed or are not in the model.
        """
        if self._plan is not None:
            self._plan.verify(self._tensors.__getitem__)

    @property
    def tensors(self) -> Mapping[str, IntegerTensor]:
        """The parameters as the training framework holds them."""
        return self._tensors


def _torch_layout(constant: Constant, draft: Draft, what: str) -> IntegerTensor:
    """The integers of a parameter, output channel first, otherwise in the parameter's order."""
    assert draft.index is not None
    size = int(np.prod(constant.shape))
    index = draft.index.ravel()
    if index.size != size or not (np.bincount(index, minlength=size) == 1).all():
        raise ConversionError(
            f"{what}: only a part of parameter {constant.parameter!r} is used; use all of it"
        )
    outputs = draft.raw.shape[-1]
    frac = tuple(int(entry) for entry in draft.frac.reshape(-1, outputs)[0])
    channel = draft.index.reshape(-1, outputs) // (size // outputs)
    if constant.shape[0] != outputs or not (channel == np.arange(outputs)).all():
        # One value per channel stored as (1, channels, 1, 1), or a matrix stored (inputs, outputs).
        raw = np.moveaxis(draft.raw, -1, 0)
        return IntegerTensor(raw.reshape(outputs, -1) if raw[0].size > 1 else raw.ravel(), frac)
    raw = np.empty(size, np.int64)
    raw[index] = draft.raw.ravel()
    return IntegerTensor(raw.reshape(constant.shape), frac)
