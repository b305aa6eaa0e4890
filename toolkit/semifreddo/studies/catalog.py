"""All studies and measurements by name."""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import Any

from semifreddo.core.errors import ConfigError
from semifreddo.studies.measurement import Measurement
from semifreddo.studies.study import Study

STUDIES = {
    "vertical_freezing": "vertical_freezing:VerticalFreezing",
    "label_granularity": "label_granularity:LabelGranularity",
    "learned_terms": "learned_terms:LearnedTerms",
    "few_digits": "few_digits:FewDigits",
    "distribution_loss": "distribution_loss:DistributionLossStudy",
    "one_weight_bitwidth": "one_weight_bitwidth:OneWeightBitwidth",
    "renofeation": "renofeation:Renofeation",
}
MEASUREMENTS = {
    "calibration": "hardware.calibration:Calibration",
    "clocks": "hardware.clocks:Clocks",
    "components": "hardware.components:Components",
    "adder_graphs": "hardware.calibration:AdderGraphs",
    "residency": "hardware.tables:Residency",
    "digit_width": "hardware.tables:DigitWidth",
    "standard_cells": "hardware.standard_cells:StandardCells",
    "rivals": "hardware.tables:Rivals",
    "float_scales": "hardware.float_scales:FloatScales",
    "published_networks": "published_networks:PublishedNetworks",
    "host_costs": "host_costs:HostCosts",
    "training_speed": "training_speed:TrainingSpeed",
}
_ALL = STUDIES | MEASUREMENTS


def find_study(name: str) -> Study[Any, Any] | Measurement:
    """The study or measurement of a name, with its default settings.

    Raises:
        ConfigError: There is none.
    """
    if name not in _ALL:
        near = difflib.get_close_matches(name, _ALL, 1)
        hint = f"; did you mean {near[0]}?" if near else f"; studies are {', '.join(_ALL)}"
        raise ConfigError(f"no study is called {name!r}{hint}")
    module, _, kind = _ALL[name].partition(":")
    made: Study[Any, Any] | Measurement = getattr(
        import_module(f"semifreddo.studies.{module}"), kind
    )()
    return made
