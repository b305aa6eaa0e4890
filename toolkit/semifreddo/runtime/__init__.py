"""What runs on a board: bundles, accelerators and transports. Needs NumPy only."""

from semifreddo.runtime.accelerator import Accelerator
from semifreddo.runtime.bundle import Bundle, write_bundle
from semifreddo.runtime.device_files import DeviceFiles, TransportFile
from semifreddo.runtime.results import CheckReport, Mismatch, Prediction, Predictions
from semifreddo.runtime.transport import DeviceInfo, Transport

__all__ = [
    "Accelerator",
    "Bundle",
    "CheckReport",
    "DeviceFiles",
    "DeviceInfo",
    "Mismatch",
    "Prediction",
    "Predictions",
    "Transport",
    "TransportFile",
    "write_bundle",
]
