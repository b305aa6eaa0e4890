"""The choices a layer has: only those that no other choice beats."""

from __future__ import annotations

from semifreddo.rtl.choices import Override
from semifreddo.rtl.units.plan import Hardware, Option, undominated


def options_of(hardware: Hardware, fixed: Override | None = None) -> tuple[Option, ...]:
    """Choices by rising cycles; with more cycles allowed there is never less to choose from.

    Args:
        hardware: The layer.
        fixed: What the user has chosen already.

    Raises:
        ConfigError: What is fixed does not fit the layer.
    """
    choices = hardware.choices(fixed or Override())
    return undominated(hardware.plan(choice).option() for choice in choices)
