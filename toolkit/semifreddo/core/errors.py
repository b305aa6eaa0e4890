"""Every error a user can cause, as one tree.

The message standard: *where* (file, node, layer), *what was seen*, *what to do next*, in one line.
The command line prints ``error: <message>`` and exits with :attr:`SemifreddoError.exit_code`; a
traceback therefore always means a bug in the toolkit and never a bad input.
"""

from __future__ import annotations


def install_hint(extra: str) -> str:
    """How to install an extra of pyproject.toml: from a clone, until PyPI has the package."""
    return f"in the clone: pip install '.[{extra}]'"


MOST_CHARACTERS = 1500
"""Of a message: it may quote a value that is far longer than a line."""


class SemifreddoError(Exception):
    """Base of every error that is the input's or the machine's fault, not the toolkit's.

    Its text is at most :data:`MOST_CHARACTERS` long; what is more is cut out of the middle.
    """

    exit_code = 1

    def __str__(self) -> str:
        text = super().__str__()
        if len(text) <= MOST_CHARACTERS:
            return text
        half = MOST_CHARACTERS // 2 - 20
        return f"{text[:half]} [... {len(text) - 2 * half} more ...] {text[-half:]}"


class ConfigError(SemifreddoError):
    """A design file, board file or command-line value is wrong."""

    exit_code = 2


class DataError(SemifreddoError):
    """Images or labels are missing, corrupt or of the wrong shape, type or range."""


class CheckpointError(SemifreddoError):
    """A checkpoint is missing, corrupt or belongs to another model."""


class FrozenTensorChangedError(SemifreddoError):
    """A tensor that a freeze plan declares frozen no longer has its digest."""


class ConversionError(SemifreddoError):
    """A model cannot be turned into a :class:`~semifreddo.ir.net.StreamNet`."""


class NetError(SemifreddoError):
    """A StreamNet is malformed (unknown stream, wrong shape, type that cannot hold a value)."""


class LadderError(SemifreddoError):
    """Two rungs of the truth ladder computed different integers."""


class ProjectError(SemifreddoError):
    """A hardware project cannot be written for this network."""


class TaskError(SemifreddoError):
    """A task file does not fit the device it is loaded into."""


class BundleError(SemifreddoError):
    """A bundle is missing, corrupt or was tampered with."""


class LimitError(SemifreddoError):
    """A measured figure is outside the limit a design sets for it, or is absent."""


class ToolError(SemifreddoError):
    """An external tool is missing, too old, failed, or left an output out."""


class ToolTimeoutError(ToolError):
    """An external tool did not finish in time."""


class TransportError(SemifreddoError):
    """The device (or its simulation) stopped answering or answered nonsense."""


class TransportTimeoutError(TransportError):
    """The device (or its simulation) did not answer in time; the message names what stalled."""
