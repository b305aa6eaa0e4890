"""FreezePlan: which weights are hardware, and the digests that prove they did not change."""

from __future__ import annotations

import difflib
import fnmatch
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from semifreddo.core.digest import digest_ints
from semifreddo.core.errors import CheckpointError, ConfigError, FrozenTensorChangedError
from semifreddo.core.plain_json import parse_json

FORMAT = "semifreddo-freeze/1"


@dataclass(frozen=True, eq=False)
class IntegerTensor:
    """A quantized tensor as the training framework holds it.

    Attributes:
        raw: Integers, output channel *first*, ``(outputs, ...)``.
        frac: Fraction bits of each output channel; 0 where ``scale`` is given.
        scale: Real value of one step of each output channel; None if all are powers of two, which
            ``frac`` says.
    """

    raw: npt.NDArray[np.int64]
    frac: tuple[int, ...]
    scale: tuple[float, ...] | None = None

    def digest(self, channels: npt.NDArray[np.bool_]) -> str:
        """Digest of the selected output channels, values and scales."""
        frac = np.array(self.frac)[channels]
        if self.scale is None:
            return digest_ints(self.raw[channels], *frac)
        ratios = [value.as_integer_ratio() for value in np.array(self.scale)[channels].tolist()]
        return digest_ints(self.raw[channels], *frac, *(part for ratio in ratios for part in ratio))


@dataclass(frozen=True)
class FrozenTensor:
    """One tensor of a plan.

    Attributes:
        name: Parameter name in the trained model, e.g. ``core.blocks.0.conv.weight``.
        channels: Per output channel: frozen or not. At least one is.
        digest: Digest of the frozen channels' integers and fraction bits.
    """

    name: str
    channels: tuple[bool, ...]
    digest: str


@dataclass(frozen=True)
class FreezePlan:
    """All tensors with at least one frozen output channel."""

    tensors: tuple[FrozenTensor, ...] = ()

    @classmethod
    def of(
        cls,
        channels: Mapping[str, npt.NDArray[np.bool_]],
        find: Callable[[str], IntegerTensor],
    ) -> FreezePlan:
        """Make a plan and take the digests.

        Args:
            channels: Freeze flags per output channel, for each tensor name.
            find: Gives the integers of a tensor.
        """
        return cls(
            tuple(
                FrozenTensor(name, tuple(bool(flag) for flag in flags), find(name).digest(flags))
                for name, flags in sorted(channels.items())
                if flags.any()
            )
        )

    def channels(self, name: str, outputs: int) -> tuple[bool, ...]:
        """Freeze flags of a tensor; all false for one the plan does not name.

        Raises:
            CheckpointError: The tensor has another number of output channels.
        """
        for tensor in self.tensors:
            if tensor.name == name:
                if len(tensor.channels) != outputs:
                    raise CheckpointError(
                        f"freeze plan: {name} has {outputs} output channels, the plan was made "
                        f"for {len(tensor.channels)}"
                    )
                return tensor.channels
        return (False,) * outputs

    def verify(self, find: Callable[[str], IntegerTensor]) -> None:
        """Prove that no frozen integer and no frozen scale has changed.

        Args:
            find: Gives the integers of a tensor; raises KeyError for an unknown one.

        Raises:
            FrozenTensorChangedError: Names the tensors that changed or are gone.
        """
        changed = []
        for tensor in self.tensors:
            try:
                found = find(tensor.name)
            except KeyError:
                changed.append(f"{tensor.name} (missing)")
                continue
            flags = np.array(tensor.channels)
            if len(found.raw) != len(flags) or found.digest(flags) != tensor.digest:
                changed.append(tensor.name)
        if changed:
            raise FrozenTensorChangedError(
                f"frozen tensors changed: {', '.join(changed)}; the hardware holds the old values, "
                "so load the checkpoint the plan was made from, or freeze again and rebuild"
            )

    def to_json(self) -> str:
        """Stable text for files and model metadata. Flags are written as ``F`` and ``c``."""
        tensors = [
            {
                "name": tensor.name,
                "channels": "".join("F" if flag else "c" for flag in tensor.channels),
                "digest": tensor.digest,
            }
            for tensor in self.tensors
        ]
        return json.dumps({"format": FORMAT, "tensors": tensors}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str = "freeze plan") -> FreezePlan:
        """Inverse of :meth:`to_json`.

        Raises:
            CheckpointError: Not such a text.
        """
        try:
            data: dict[str, Any] = parse_json(text)
            if data["format"] != FORMAT:
                raise ValueError(f"format {data['format']!r}")
            return cls(
                tuple(
                    FrozenTensor(
                        str(entry["name"]),
                        tuple({"F": True, "c": False}[flag] for flag in entry["channels"]),
                        str(entry["digest"]),
                    )
                    for entry in data["tensors"]
                )
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{where}: not a {FORMAT} text ({error!r})") from error


def _paths(tensor: str) -> list[str]:
    """The tensor's name and the paths of all modules around it."""
    parts = tensor.split(".")
    return [".".join(parts[:end]) for end in range(len(parts), 0, -1)]


def matching(names: Sequence[str], pattern: str) -> list[str]:
    """Tensors selected by a glob pattern over tensor names or the module paths around them.

    Raises:
        ConfigError: The pattern matches none; the nearest path is suggested.
    """
    found = [
        name for name in names if any(fnmatch.fnmatchcase(path, pattern) for path in _paths(name))
    ]
    if not found:
        known = sorted({path for name in names for path in _paths(name)})
        near = difflib.get_close_matches(pattern, known, 1, cutoff=0.3)
        hint = f"; the nearest is {near[0]!r}" if near else ""
        raise ConfigError(f"freeze: no quantized layer matches {pattern!r}{hint}")
    return found
