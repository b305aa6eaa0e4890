"""A user's own model: a fresh object of the class that ``[model]`` of design.toml names.

This runs the user's code, and only what that key names. Checkpoints, QONNX files and bundles never
say what is to be executed.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from semifreddo.core.errors import ConfigError
from semifreddo.core.tables import nearest
from semifreddo.flow.config import BuildConfig, ModelSection

if TYPE_CHECKING:
    from torch import nn

_SUFFIX = ".py"


def own_model(config: BuildConfig) -> nn.Module | None:
    """A fresh object of the design's own class; None if the design names none.

    Raises:
        ConfigError: The file, module or class is missing, its code fails, or it makes no
            ``torch.nn.Module``.
    """
    if config.model is None:
        return None
    from torch import nn

    section, where = config.model, f"{config.root}: [model] source"
    make = _factory(config, section, where)
    try:
        model = make(**section.arguments)
    except Exception as error:
        raise ConfigError(
            f"{where}: {section.source} cannot be made with [model] arguments "
            f"{dict(section.arguments)}: {_reason(error)}"
        ) from error
    if not isinstance(model, nn.Module):
        raise ConfigError(
            f"{where}: {section.source} makes a {type(model).__name__}, not a torch.nn.Module; "
            "name the class of the model, or a function that returns one"
        )
    return model


def code_files(config: BuildConfig) -> tuple[Path, ...]:
    """Files whose content decides what the design's own class is.

    That is the named file; of an importable module, its file and those beside and below it in its
    package.
    """
    if config.model is None:
        return ()
    place = config.model.source.rpartition(":")[0]
    if place.endswith(_SUFFIX):
        return (config.path(Path(place)),)
    try:
        spec = importlib.util.find_spec(place)
    except Exception:  # noqa: BLE001 -- told when the class is wanted
        return ()
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return ()
    file = Path(spec.origin)
    return tuple(sorted(file.parent.rglob(f"*{_SUFFIX}"))) if "." in place else (file,)


def _factory(config: BuildConfig, section: ModelSection, where: str) -> Callable[..., Any]:
    place, _, name = section.source.rpartition(":")
    module = (
        _from_file(config.path(Path(place)), where)
        if place.endswith(_SUFFIX)
        else _imported(place, where)
    )
    found = getattr(module, name, None)
    if found is None:
        known = [key for key, value in vars(module).items() if _made_there(value, module)]
        raise ConfigError(f"{where}: {place} has no {name!r}{nearest(name, known)}")
    if not callable(found):
        raise ConfigError(
            f"{where}: {section.source} is a {type(found).__name__}, not a class; name the class "
            "of the model, or a function that returns one"
        )
    made: Callable[..., Any] = found
    return made


def _made_there(value: object, module: ModuleType) -> bool:
    """Whether something can be a model's class or function, and is no import of the module."""
    return callable(value) and getattr(value, "__module__", None) == module.__name__


def _from_file(path: Path, where: str) -> ModuleType:
    if not path.is_file():
        beside = [file.name for file in path.parent.glob(f"*{_SUFFIX}")]
        raise ConfigError(f"{where}: {path}: no such file{nearest(path.name, beside)}")
    # Every design's file is a module of its own, whatever the files are called.
    name = f"semifreddo_own_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        # The source each time: a file edited within a second has the time stamp of its bytecode.
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)  # noqa: S102
    except Exception as error:
        del sys.modules[name]
        raise ConfigError(f"{where}: {path}: {_reason(error)}") from error
    return module


def _imported(place: str, where: str) -> ModuleType:
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name is not None and place.split(".", maxsplit=1)[0] == error.name:
            raise ConfigError(
                f"{where}: there is no module {place!r}; install it, or name a file of the "
                f"design's folder: {place}{_SUFFIX}"
            ) from error
        raise ConfigError(f"{where}: {place}: {_reason(error)}") from error
    except Exception as error:
        raise ConfigError(f"{where}: {place}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
