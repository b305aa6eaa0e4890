"""What semifreddo writes beside the graph of an exported model.

Everything lives in the ``metadata_props`` of the ONNX file, so that a model cannot be separated
from the plan that says which of its weights are hardware.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from semifreddo.core.errors import ConversionError
from semifreddo.core.plain_json import parse_json
from semifreddo.ir.allowed import MOST_TERMS
from semifreddo.ir.freeze import FreezePlan

FREEZE_KEY = "semifreddo.freeze"
LABELS_KEY = "semifreddo.labels"
REPEATS_KEY = "semifreddo.repeats"
TERMS_KEY = "semifreddo.terms"
INFO_KEY = "semifreddo.info"


@dataclass(frozen=True)
class ModelInfo:
    """Everything known about an exported model besides its graph.

    Attributes:
        plan: Which tensors are frozen; None if the model was exported without a plan.
        labels: Class names of the outputs.
        repeats: Module paths of each pass of the block that one inference uses several times;
            corresponding positions correspond, and a path that is in several passes is a module
            called in each of them. Empty if nothing is repeated.
        info: Free text entries (accuracy, seed, versions...).
        terms: By name of a weight: of how many signed powers of two each of its integers is the sum
            at most, ``2**0`` to ``2**(bits - 2)``, however the model is trained on.
    """

    plan: FreezePlan | None = None
    labels: tuple[str, ...] = ()
    repeats: tuple[tuple[str, ...], ...] = ()
    info: Mapping[str, str] = field(default_factory=dict)
    terms: Mapping[str, int] = field(default_factory=dict)

    def to_props(self) -> dict[str, str]:
        """The ``metadata_props`` entries, in a fixed order."""
        props = {
            LABELS_KEY: json.dumps(list(self.labels)),
            REPEATS_KEY: json.dumps(self.repeats),
            INFO_KEY: json.dumps(dict(self.info), sort_keys=True),
        }
        if self.terms:
            props[TERMS_KEY] = json.dumps(dict(self.terms), sort_keys=True)
        if self.plan is not None:
            props[FREEZE_KEY] = self.plan.to_json()
        return props

    @classmethod
    def from_props(cls, props: Mapping[str, str], where: str) -> ModelInfo:
        """Inverse of :meth:`to_props`; absent entries give the defaults.

        Args:
            props: The ``metadata_props`` of a model.
            where: Named in errors, usually the file.

        Raises:
            CheckpointError: The freeze plan is damaged.
            ConversionError: Another entry is damaged.
        """
        plan = None
        if FREEZE_KEY in props:
            plan = FreezePlan.from_json(props[FREEZE_KEY], f"{where}: freeze plan")
        try:
            repeats = tuple(
                tuple(str(path) for path in paths)
                for paths in parse_json(props.get(REPEATS_KEY, "[]"))
            )
            if len({len(paths) for paths in repeats}) > 1:
                raise ValueError("repeats of different lengths")
            labels = tuple(str(label) for label in parse_json(props.get(LABELS_KEY, "[]")))
            info = {
                str(key): str(text) for key, text in parse_json(props.get(INFO_KEY, "{}")).items()
            }
            terms = {
                str(key): int(count)
                for key, count in parse_json(props.get(TERMS_KEY, "{}")).items()
            }
            if not set(terms.values()) <= set(range(1, MOST_TERMS + 1)):
                raise ValueError(f"terms {sorted(terms.values())}")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConversionError(
                f"{where}: the semifreddo metadata is damaged ({error!r}); export the model again"
            ) from error
        return cls(plan, labels, repeats, info, terms)
