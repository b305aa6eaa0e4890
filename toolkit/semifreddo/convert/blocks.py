"""Weight blocks: from the exported parameters to the integers of the network."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from semifreddo.convert.values import Constant
from semifreddo.core.errors import ConversionError
from semifreddo.core.fixed import bits_for
from semifreddo.ir.allowed import refusal, sums_of_powers
from semifreddo.ir.freeze import FreezePlan, IntegerTensor
from semifreddo.ir.layers import ROLES, Role, WeightBlock

Frozen: TypeAlias = Literal["plan", "all", "none"] | tuple[str, ...]
"""What is frozen: as the file's plan says, everything, nothing, or tensors by name pattern."""


@dataclass(frozen=True, eq=False)
class Draft:
    """A constant in the layout of a block.

    Attributes:
        raw: Integers, output channel last.
        frac: Fraction bits, same shape.
        scale: Real value of one step, same shape; None if ``frac`` says it.
        index: Flat position of each entry in its parameter, same shape; None without a parameter.
    """

    raw: npt.NDArray[np.int64]
    frac: npt.NDArray[np.int64]
    index: npt.NDArray[np.int64] | None
    scale: npt.NDArray[np.float64] | None = None

    @classmethod
    def of(cls, constant: Constant) -> Draft:
        """The entries of a quantized constant, in its own layout."""
        assert constant.quantized is not None, constant.name
        form = constant.quantized
        return cls(constant.raw, form.frac, constant.index, form.scale)

    def move(self, *axes: int) -> Draft:
        """Transpose all arrays."""
        return self._each(lambda array: array.transpose(axes))

    def rows(self, order: npt.NDArray[np.int64]) -> Draft:
        """Put row ``i`` at row ``order[i]``."""
        back = np.argsort(order)
        return self._each(lambda array: array[back])

    def reshape(self, *shape: int) -> Draft:
        """Reshape all arrays."""
        return self._each(lambda array: array.reshape(shape))

    def _each(self, move: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> Draft:
        index = None if self.index is None else move(self.index)
        scale = None if self.scale is None else move(self.scale)
        return Draft(move(self.raw), move(self.frac), index, scale)

    def dilated(self, steps: tuple[int, int]) -> Draft:
        """A kernel ``(kh, kw, ...)`` with zeros between its rows and columns."""
        height, width = (
            (size - 1) * step + 1 for size, step in zip(self.raw.shape, steps, strict=False)
        )
        raw = np.zeros((height, width, *self.raw.shape[2:]), np.int64)
        raw[:: steps[0], :: steps[1]] = self.raw
        return self._filled(raw)

    def ungrouped(self, groups: int) -> Draft:
        """A kernel ``(kh, kw, inputs / groups, outputs)`` with zeros for other groups' inputs."""
        *size, inputs, outputs = self.raw.shape
        raw = np.zeros((*size, groups, inputs, outputs), np.int64)
        for group, channels in enumerate(np.split(np.arange(outputs), groups)):
            raw[..., group, :, channels] = np.moveaxis(self.raw[..., channels], -1, 0)
        return self._filled(raw.reshape(*size, groups * inputs, outputs))

    def repeated(self, raw: npt.NDArray[np.int64]) -> Draft:
        """Other integers, of all output channels several times one after the other."""
        times = raw.shape[-1] // self.raw.shape[-1]
        frac = np.tile(self.frac.reshape(-1, self.frac.shape[-1])[0], times)
        scale = None
        if self.scale is not None:
            scale = np.tile(self.scale.reshape(-1, self.scale.shape[-1])[0], times)
            scale = np.broadcast_to(scale, raw.shape)
        return Draft(raw, np.broadcast_to(frac, raw.shape), None, scale)

    def _filled(self, raw: npt.NDArray[np.int64]) -> Draft:
        """Other integers of the same output channels."""
        outputs = raw.shape[-1]
        frac = np.broadcast_to(self.frac.reshape(-1, outputs)[0], raw.shape)
        scale = None
        if self.scale is not None:
            scale = np.broadcast_to(self.scale.reshape(-1, outputs)[0], raw.shape)
        return Draft(raw, frac, None, scale)

    @property
    def scales(self) -> tuple[Fraction, ...] | None:
        """Real value of one step per output channel; None if the fraction bits say it."""
        if self.scale is None:
            return None
        return tuple(Fraction(float(s)) for s in self.scale.reshape(-1, self.scale.shape[-1])[0])


class Blocks:
    """All weight blocks of a network, one for each parameter however often it is used.

    Args:
        plan: Which tensors are frozen; None if the model has no plan.
        frozen: Follow the plan (without one, everything is frozen), freeze all or nothing, or
            the tensors whose names match a pattern (``*`` and ``?``).
        terms: By name: of how many signed powers of two all integers of a weight are the sums at
            most, whatever is trained.
    """

    def __init__(self, plan: FreezePlan | None, frozen: Frozen, terms: Mapping[str, int]) -> None:
        self._plan = plan
        self._terms = terms
        self._frozen = frozen
        self._tensors: dict[str, IntegerTensor] = {}
        self._matched: set[str] = set()
        self.by_name: dict[str, WeightBlock] = {}
        self.stored: set[str] = set()
        """Names of the blocks that the file holds; the others follow from several of them."""

    def add(
        self,
        role: Role,
        constant: Constant,
        draft: Draft,
        what: str,
        *,
        filled: Draft | None = None,
    ) -> WeightBlock:
        """Make the block of a constant, or find the one made at an earlier use.

        Args:
            role: What it is used for.
            constant: The quantized constant.
            draft: Its entries in the block's layout.
            what: The layer that uses it, for messages.
            filled: The block's entries, if zeros are between those of the constant, or if output
                channels are there several times, all of them one after the other.

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
        _check_scales(draft, name, what)
        outputs = draft.raw.shape[-1]
        if constant.parameter is not None:
            self._tensors.setdefault(name, _torch_layout(constant, draft, what))
        chosen = (constant.quantized.bits, constant.quantized.signed)
        bits, signed = ROLES[role].storage or chosen
        filled = filled or draft
        times = filled.raw.shape[-1] // outputs
        terms = self._terms.get(name, 0) if role == "weight" else 0
        if terms and (why := refusal(filled.raw, sums_of_powers(bits, terms))):
            raise ConversionError(
                f"{what}: {name}: {why}, the sums of at most {terms} signed powers of two that "
                "the file's metadata promise; export the model again"
            )
        block = WeightBlock(
            name=name,
            role=role,
            raw=np.ascontiguousarray(filled.raw),
            bits=bits,
            signed=signed,
            frac=tuple(int(entry) for entry in frac[0]) * times,
            frozen=self._flags(constant, name, outputs) * times,
            # Zeros between the entries of a kernel are where its attributes say, in every task.
            signs=role == "weight" and constant.quantized.signs and bool(filled.raw.all()),
            terms=terms,
        )
        self.stored.add(name)
        known = self.by_name.setdefault(name, block)
        if known != block:
            raise ConversionError(
                f"{what}: parameter {name!r} is also used in another layout or format; give each "
                "use its own parameter"
            )
        return known

    def derive(
        self,
        name: str,
        role: Role,
        raw: npt.NDArray[np.int64],
        frac: int,
        frozen: tuple[bool, ...],
    ) -> WeightBlock:
        """Make a block of integers that follow from several parameters.

        Args:
            name: Name of the block; made unique with a number unless an equal one is known.
            role: What it is used for.
            raw: The integers, output channel last.
            frac: Fraction bits of all.
            frozen: Per output channel.
        """
        bits, signed = bits_for(int(raw.min()), int(raw.max()))
        block = WeightBlock(name, role, raw, bits, signed, (frac,) * raw.shape[-1], frozen)
        count = 1
        while self.by_name.setdefault(block.name, block) != block:
            count += 1
            block = replace(block, name=f"{name}.{count}")
        return block

    def _flags(self, constant: Constant, name: str, outputs: int) -> tuple[bool, ...]:
        if isinstance(self._frozen, tuple):
            matching = [each for each in self._frozen if fnmatchcase(name, each)]
            self._matched.update(matching)
            return (bool(matching),) * outputs
        if self._frozen == "none":
            return (False,) * outputs
        if constant.parameter is None or self._frozen == "all":
            return (True,) * outputs
        return (True,) * outputs if self._plan is None else self._plan.channels(name, outputs)

    def verify(self) -> None:
        """Compare every frozen tensor with the digest in the plan.

        Raises:
            ConversionError: A name pattern matches nothing, or there is a plan beside it.
            FrozenTensorChangedError: Names those that changed or are not in the model.
        """
        if isinstance(self._frozen, tuple):
            self._check_patterns(self._frozen)
        elif self._plan is not None:
            self._plan.verify(self._tensors.__getitem__)

    def _check_patterns(self, patterns: tuple[str, ...]) -> None:
        if self._plan is not None and self._plan.tensors:
            raise ConversionError(
                "the model carries a freeze plan, which says what is frozen; leave [freeze] out"
            )
        unmet = [pattern for pattern in patterns if pattern not in self._matched]
        if unmet:
            names = ", ".join(self.by_name) or "none"
            raise ConversionError(f"[freeze] tensors: {unmet[0]!r} matches none of {names}")

    @property
    def tensors(self) -> Mapping[str, IntegerTensor]:
        """The parameters as the training framework holds them."""
        return self._tensors


def _check_scales(draft: Draft, name: str, what: str) -> None:
    if draft.scale is not None:
        scale = draft.scale.reshape(-1, draft.scale.shape[-1])
        if (scale != scale[0]).any():
            raise ConversionError(
                f"{what}: the scales of {name!r} vary inside an output channel; use one scale per "
                "tensor or per output channel"
            )


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
    scale = None if draft.scales is None else tuple(map(float, draft.scales))
    channel = draft.index.reshape(-1, outputs) // (size // outputs)
    if constant.shape[0] != outputs or not (channel == np.arange(outputs)).all():
        # One value per channel stored as (1, channels, 1, 1), or a matrix stored (inputs, outputs).
        raw = np.moveaxis(draft.raw, -1, 0)
        if raw.ndim > 2 and constant.shape[:2] == raw.shape[1::-1]:  # of a transposed convolution
            shape = (*raw.shape[:2], *constant.shape[2:])
            return IntegerTensor(raw.reshape(shape), frac, scale)
        flat = raw.reshape(outputs, -1) if raw[0].size > 1 else raw.ravel()
        return IntegerTensor(flat, frac, scale)
    raw = np.empty(size, np.int64)
    raw[index] = draft.raw.ravel()
    return IntegerTensor(raw.reshape(constant.shape), frac, scale)
