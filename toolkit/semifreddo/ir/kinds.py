"""One function per layer kind and purpose: what a new kind registers, and where it is looked up.

Every package that treats layer kinds differently has a :class:`KindTable` and registers functions
in it. A kind that nobody registered is an error that names the kind, the purpose and the module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from semifreddo.core.errors import SemifreddoError
from semifreddo.ir.layers import LAYER_KINDS, Layer

Result = TypeVar("Result")
Function = TypeVar("Function", bound=Callable[..., Any])


class KindTable(Generic[Result]):
    """Functions of a layer and more arguments, by the layer's kind.

    Args:
        purpose: What the functions are for, as errors name it.
        module: Where they are registered.
        error: Raised for a kind without a function.
    """

    def __init__(self, purpose: str, module: str, error: type[SemifreddoError]) -> None:
        self.purpose = purpose
        self.module = module
        self._error = error
        self._functions: dict[type[Layer], Callable[..., Result]] = {}

    def register(self, *kinds: type[Layer]) -> Callable[[Function], Function]:
        """Decorate the function of one or several kinds; its first parameter is the layer."""

        def registered(function: Function) -> Function:
            for kind in kinds:
                assert kind not in self._functions, f"{kind.__name__} has two of {self.purpose}"
                self._functions[kind] = function
            return function

        return registered

    def __call__(self, layer: Layer, *arguments: Any) -> Result:
        """Call the function of a layer's kind.

        Raises:
            SemifreddoError: There is none; of the class that the table was made with.
        """
        function = self._functions.get(type(layer))
        if function is None:
            raise self._error(
                f"{layer.name}: layer kind {layer.kind} has no {self.purpose}; register one in "
                f"{self.module}"
            )
        return function(layer, *arguments)

    @property
    def functions(self) -> tuple[Any, ...]:
        """What kinds have registered, in that order."""
        return tuple(self._functions.values())

    @property
    def missing(self) -> tuple[str, ...]:
        """Kinds without a function."""
        return tuple(name for name, kind in LAYER_KINDS.items() if kind not in self._functions)
