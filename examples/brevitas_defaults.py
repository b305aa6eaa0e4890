"""A Brevitas model with default quantizers, trained and exported by Brevitas and torch alone.

Run ``python examples/brevitas_defaults.py my_design``, then ``semifreddo build my_design``. Nothing
of the model is written for semifreddo: scales are floating-point numbers that Brevitas learns, the
batch norms stay where they are, and the biases are not quantized.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import brevitas.nn as qnn
import numpy as np
import torch
from brevitas.export import export_qonnx
from sklearn.datasets import load_digits
from torch import Tensor, nn

DESIGN = """\
[design]
name = "digits"
board = "pynq_z2"
"""


class TutorialNet(nn.Module):
    """As in Brevitas' tutorials: Int8WeightPerTensorFloat and Int8ActPerTensorFloat everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.quant_inp = qnn.QuantIdentity(bit_width=8, return_quant_tensor=True)
        self.conv1 = qnn.QuantConv2d(1, 8, 3, padding=1, bias=True)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu1 = qnn.QuantReLU(bit_width=8, return_quant_tensor=True)
        self.pool = nn.MaxPool2d(2)
        self.conv2 = qnn.QuantConv2d(8, 16, 3, padding=1, bias=True)
        self.bn2 = nn.BatchNorm2d(16)
        self.relu2 = qnn.QuantReLU(bit_width=8, return_quant_tensor=True)
        self.fc = qnn.QuantLinear(16 * 2 * 2, 10, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, 1, 8, 8) from 0 to 1, to (n, 10)."""
        x = self.pool(self.relu1(self.bn1(self.conv1(self.quant_inp(x)))))
        x = self.pool(self.relu2(self.bn2(self.conv2(x))))
        logits: Tensor = self.fc(x.flatten(1))
        return logits


def train(model: nn.Module, x: Tensor, y: Tensor, epochs: int) -> None:
    """A plain loop of torch."""
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    model.train()
    for _ in range(epochs):
        for part in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[part]), y[part]).backward()
            optimizer.step()
    model.eval()


def main() -> None:
    """Train, export, and write the design and the test images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args()
    torch.manual_seed(0)
    digits = load_digits()
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)  # as a camera stores them
    x, y = torch.from_numpy(pixels[:, None] / np.float32(255)), torch.from_numpy(digits.target)
    model = TutorialNet()
    train(model, x[450:], y[450:], args.epochs)
    with torch.no_grad():
        right = model(x[:450]).argmax(dim=1) == y[:450]
    args.folder.mkdir(parents=True, exist_ok=True)
    export_qonnx(model, args=x[:1], export_path=str(args.folder / "model.onnx"))
    (args.folder / "design.toml").write_text(DESIGN, encoding="utf-8")
    np.savez(args.folder / "test.npz", images=pixels[:450, ..., None], labels=digits.target[:450])
    print(f"{int(right.sum())} of 450 test images right in torch")


if __name__ == "__main__":
    main()
