"""The pages that newcomers follow: every command that they quote, in order, in an empty folder.

A command is run as it is quoted; placeholders get a value, and tox, which installs packages, is
replaced by what it would run. What cannot run here is listed with the reason. A page that quotes a
command which this file does not know fails, and so does a known one that no page quotes any more.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess  # noqa: TID251 -- what is typed into a shell is what is tested
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from brevitas_models import ManyFaults
from readme_quotes import ROOT, block_with, commands, files
from semifreddo.cli.main import make_parser
from semifreddo.convert import check_model
from semifreddo.train.data import load_dataset

TIMEOUT_S = 5400


@dataclass(frozen=True)
class Quick:
    """Takes seconds, so every run of the tests follows it.

    Attributes:
        shows: Regular expression that its output must have.
        as_: What is run instead.
    """

    shows: str = ""
    as_: str = ""


@dataclass(frozen=True)
class Slow(Quick):
    """Takes longer, or follows a command that does."""


@dataclass(frozen=True)
class Absent:
    """Is not run here.

    Attributes:
        reason: Why.
    """

    reason: str


NETWORK = "installs packages over the network"
EQUAL = r"csim +equal(.|\n)*rtl +equal"
PYNQ = Slow(shows="equal") if find_spec("pynq") else Absent("needs pynq; tests/pynq_board runs it")

KNOWN: dict[str, dict[str, Quick | Absent]] = {
    "README.md": {
        "python3.11 -m venv .venv": Absent(NETWORK),
        ".venv/bin/pip install tox": Absent(NETWORK),
        ".venv/bin/tox -e demo": Slow(as_="semifreddo demo"),
        ".venv/bin/tox": Absent("runs these tests"),
        "tox -e quick": Absent("runs a part of these tests"),
        "tox -e docs": Absent("is an environment of its own, with tests in tests/site"),
        "pip install '.[all]'": Absent(NETWORK),
        "semifreddo build hls_projects/digits": Slow(EQUAL),
        "semifreddo check hls_projects/digits": Slow(EQUAL),
        "semifreddo run hls_projects/digits/build/digits.sfb --show 5": Slow("256 of 256"),
        "semifreddo retarget hls_projects/digits --groups even=0,2,4,6,8 odd=1,3,5,7,9 "
        "-o odd_even.json": Slow(r"task odd_even: \d+ bytes, test accuracy 9\d\.\d\d%"),
        "semifreddo run hls_projects/digits/build/digits.sfb --task odd_even.json "
        "--images scans.npz": Slow(r"even +\d+\nodd +\d+"),
        "semifreddo --help": Quick("the way of a design"),
        "semifreddo VERB --help": Quick("examples:", as_="semifreddo build --help"),
        "semifreddo doctor": Quick(r"g\+\+"),
        "semifreddo completion bash": Quick("complete "),
        "semifreddo new clothes --dataset fashion_mnist --data ~/images --board pynq_z2": Quick(),
        "semifreddo train clothes": Slow("test +"),
        "semifreddo export clothes": Slow(),
        "semifreddo build clothes": Slow(EQUAL),
        "tox -e gallery": Absent("is a slow test of its own: tests/flow/test_designs.py"),
        "python examples/own_model.py my_design --export-only": Slow("168 of 1626 weights frozen"),
        "semifreddo build my_design": Slow(EQUAL),
        "semifreddo retarget my_design --groups even=0,2,4,6,8 odd=1,3,5,7,9 -o parity.json": Slow(
            "task parity: "
        ),
        "pip wheel --no-deps -w dist .": Absent(NETWORK),
        "pip install --no-deps semifreddo-*.whl": Absent("is typed on a board"),
        "pip install semifreddo": Absent("is said of the time when semifreddo is on PyPI"),
        "semifreddo build DESIGN --board pynq_z2": Slow(EQUAL),
        "./run.sh": Absent("needs Vivado; tests/vivado runs the project with tools that pretend"),
        "semifreddo first-light": Absent(
            "needs vendor tools or a board; tests/flow/test_first_light.py"
        ),
        'pip install pynq==4.0.0 "numpy<2"': Absent(NETWORK),
        "semifreddo run DESIGN/build/NAME.sfb --simulated-board --vectors": PYNQ,
        "semifreddo bench DESIGN/build/NAME.sfb --simulated-board": PYNQ,
        "semifreddo build DESIGN --until synth": Slow("Yosys"),
        "semifreddo build DESIGN --board ulx3s --until bitstream "
        "--set rtl.target_fps=10000": Absent(
            "places and routes for long; see tests/rtl/synthesis/test_ecp5.py"
        ),
    },
    "docs/own-data.md": {
        "semifreddo new garden --dataset pictures --data plants --size 32x32": Quick(),
        "semifreddo train garden": Slow("test +"),
        "semifreddo export garden": Slow(),
        "semifreddo build garden": Slow(EQUAL),
        "semifreddo check garden": Slow(EQUAL),
        "semifreddo run garden/build/garden.sfb --images plants/oak --resize": Slow(
            r"1\.png +(oak|rose|tulip)"
        ),
        "semifreddo new shapes --dataset arrays --data shapes.npz": Quick(),
        "semifreddo train shapes": Slow("test +"),
        "semifreddo export shapes": Slow(),
        "semifreddo build shapes": Slow(EQUAL),
        "semifreddo run garden/build/garden.sfb --show 20": Slow("12 of 12"),
        "semifreddo retarget garden --groups tree=0 flower=1,2 -o flowers.json": Slow(
            "task flowers: "
        ),
        "semifreddo retarget garden --dataset pictures --data weeds -o weeds.json": Slow(
            "task weeds: "
        ),
        "semifreddo run garden/build/garden.sfb --task flowers.json --images plants/rose "
        "--resize": Slow("(tree|flower)"),
    },
    "docs/own-model.md": {
        "python examples/own_model.py my_design": Slow("parity: (even|odd)"),
        "semifreddo train digits_net": Quick(r"test +9\d\.\d\d%"),
        "semifreddo export digits_net": Quick(),
        "semifreddo build digits_net": Slow(EQUAL),
        "semifreddo check digits_net": Slow(r"torch +equal +450(.|\n)*streamnet +equal +450"),
        "semifreddo run digits_net/build/digits_net.sfb": Slow("256 of 256"),
        "semifreddo retarget digits_net --groups even=0,2,4,6,8 odd=1,3,5,7,9 -o parity.json": Slow(
            "task parity: "
        ),
        "semifreddo freeze digits_net --layers head -o all.safetensors": Slow(
            r"frozen: 1000 of 1030 weights \(97\.1%\)\npredicted LUTs on pynq_z2: \d+"
        ),
    },
    "docs/pictures.md": {
        "semifreddo run hls_projects/digits/build/digits.sfb --images pictures/": Slow(
            r"2\.png +\d(.|\n)*10\.png +\d"
        ),
        "semifreddo run hls_projects/digits/build/digits.sfb --images pictures/large.jpg "
        "--resize": Slow(r"large\.jpg +\d"),
        "semifreddo run hls_projects/digits/build/digits.sfb --images batch.npy "
        "--layout nchw": Slow("3 images in"),
    },
    "docs/methods.md": {
        "semifreddo widths hls_projects/digits": Quick(
            r"as it is +16, 32 +62,432 +249,472 (.|\n)*1 +32, 63 (.|\n)*8 +10, 22 "
        ),
        "semifreddo labels hls_projects/digits --groups even=0,2,4,6,8 odd=1,3,5,7,9": Quick(
            r"ratio +\d(.|\n)*finer labels are (not )?expected to pay"
        ),
        "semifreddo build hls_projects/digits": Slow(EQUAL),
        "semifreddo retarget hls_projects/digits --groups even=0,2,4,6,8 odd=1,3,5,7,9 --fine "
        "-o fine.json": Slow(r"task fine: \d+ bytes, test accuracy 9\d\.\d\d%"),
        "semifreddo run hls_projects/digits/build/digits.sfb --task fine.json "
        "--images scans.npz": Slow(r"even +\d+\nodd +\d+"),
        "semifreddo retarget hls_projects/digits --groups even=0,2,4,6,8 odd=1,3,5,7,9 --robust "
        "-o robust.json": Slow(r"task robust: \d+ bytes, test accuracy 9\d\.\d\d%"),
        "semifreddo audit hls_projects/digits robust.json --groups even=0,2,4,6,8 "
        "odd=1,3,5,7,9": Slow(r"robust +9\d\.\d%(.|\n)*re-trained(.|\n)*stays attackable"),
    },
}
BEFORE = {"docs/pictures.md": ["semifreddo build hls_projects/digits"]}
"""What a page takes for granted."""

PLACEHOLDERS = {"DESIGN": "hls_projects/digits", "NAME": "digits"}


@pytest.mark.parametrize("page", KNOWN)
def test_every_quoted_command_is_known_and_every_known_one_quoted(page: str) -> None:
    quoted = {quote.text for quote in commands(page) if not quote.mention}
    quoted |= {quote.text for quote in commands(page) if quote.text in KNOWN[page]}
    assert quoted == set(KNOWN[page])


def test_every_verb_that_a_page_names_is_one() -> None:
    (verbs,) = (action.choices for action in make_parser()._actions if action.dest == "verb")
    assert verbs is not None
    for page in KNOWN:
        named = {q.text.split()[1] for q in commands(page) if q.text.startswith("semifreddo ")}
        assert named - {"--help", "VERB"} <= set(verbs)


class Newcomer:
    """Somebody with an empty home, a clone, and the pictures that the pages speak of."""

    def __init__(self, folder: Path) -> None:
        self.clone, self._home, bin_ = folder / "clone", folder / "home", folder / "bin"
        for place in (self.clone, self._home, bin_):
            place.mkdir()
        for part in ("hls_projects", "examples"):
            ignored = shutil.ignore_patterns("build", "__pycache__")
            shutil.copytree(ROOT / part, self.clone / part, ignore=ignored)
        for name, module in (("semifreddo", " -m semifreddo.cli.entry"), ("python", "")):
            script = bin_ / name
            script.write_text(f'#!/bin/sh\nexec {sys.executable}{module} "$@"\n')
            script.chmod(0o755)
        source = os.pathsep.join(path for path in sys.path if path and Path(path).is_dir())
        self._environment = os.environ | {
            "HOME": str(self._home),
            "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": source,
        }
        self._environment.pop("XDG_CACHE_HOME", None)
        self._bring_images()

    def _bring_images(self) -> None:
        random, digits = np.random.default_rng(0), load_dataset("digits").test
        (self._home / "images").mkdir()
        arrays = {}
        for part, count in (("train", 200), ("test", 60)):
            arrays[f"x_{part}"] = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
            arrays[f"y_{part}"] = np.arange(count, dtype=np.int64) % 10
        np.savez(self._home / "images" / "fashion_mnist.npz", **arrays)
        np.savez(self.clone / "scans.npz", images=digits.images[:20])
        np.save(self.clone / "batch.npy", digits.images[:3].transpose(0, 3, 1, 2))
        np.savez(
            self.clone / "shapes.npz",
            **{
                key: array[:, ::2, ::2] if array.ndim > 1 else array
                for key, array in arrays.items()
            },
        )
        self._bring_plants(random)
        (self.clone / "pictures").mkdir()
        for name, index in (("2.png", 0), ("10.png", 1)):
            Image.fromarray(digits.images[index, :, :, 0]).save(self.clone / "pictures" / name)

    def _bring_plants(self, random: np.random.Generator) -> None:
        for place, classes in (("plants", ("oak", "rose", "tulip")), ("weeds", ("dock", "nettle"))):
            for level, name in enumerate(classes):
                (self.clone / place / name).mkdir(parents=True)
                for number in range(1, 21):
                    height, width = random.integers(30, 50, 2)
                    colour = random.integers(0, 60, (height, width, 3)) + 90 * level
                    path = self.clone / place / name / f"{number}.png"
                    Image.fromarray(colour.astype(np.uint8)).save(path)

    def types(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command line in the clone."""
        return subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.clone,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )


def follow(page: str, newcomer: Newcomer, kinds: tuple[type, ...]) -> Iterator[tuple[str, str]]:
    """Write the files of a page, then run its commands of some kinds; gives what each printed."""
    for name, text in files(page).items():
        path = newcomer.clone / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for quote in commands(page):
        rule = KNOWN[page].get(quote.text)
        if type(rule) not in kinds:
            continue
        assert isinstance(rule, Quick)
        command = rule.as_ or quote.text
        for placeholder, value in PLACEHOLDERS.items():
            command = re.sub(rf"\b{placeholder}\b", value, command)
        done = newcomer.types(command)
        assert done.returncode == 0, f"{page}: {command}\n{done.stdout}\n{done.stderr[-3000:]}"
        assert re.search(rule.shows, done.stdout), f"{page}: {command}\n{done.stdout}"
        assert "Traceback" not in done.stderr
        yield quote.text, done.stdout


@pytest.mark.parametrize("page", ["README.md", "docs/own-data.md", "docs/own-model.md"])
def test_what_takes_seconds(page: str, tmp_path: Path) -> None:
    assert list(follow(page, Newcomer(tmp_path), (Quick,)))


@pytest.mark.slow
@pytest.mark.timeout(14400)
@pytest.mark.parametrize("page", KNOWN)
def test_a_page_from_its_first_line_to_its_last(page: str, tmp_path: Path) -> None:
    newcomer = Newcomer(tmp_path)
    for command in BEFORE.get(page, []):
        done = newcomer.types(command)
        assert done.returncode == 0, done.stderr
    if page == "docs/pictures.md":
        large = newcomer.clone / "pictures" / "large.jpg"
    printed = {}
    for command, output in follow(page, newcomer, (Quick, Slow)):
        printed[command] = output
        if page == "docs/pictures.md" and "large" not in command and not large.exists():
            Image.new("L", (64, 64), 128).save(large)
    assert set(printed) == {text for text, rule in KNOWN[page].items() if isinstance(rule, Quick)}
    if page == "README.md":
        compare_demo(printed[".venv/bin/tox -e demo"])


def compare_demo(printed: str) -> None:
    """The demo's output is what README quotes, but for what differs between machines."""
    quoted = block_with("README.md", "task      classes")
    for line in quoted.splitlines():
        if line.strip():
            assert any(masked(line) == masked(other) for other in printed.splitlines()), line


def masked(line: str) -> str:
    """A line without accuracies, frame rates, the digest of what training gave, and widths."""
    line = re.sub(r"sha256 [0-9a-f]{16}", "sha256 #", line)
    line = re.sub(r"\d+\.\d+%", "#%", line)
    line = re.sub(r"(equal +)(\d+) +(\d+) *$", r"\1# #", line)
    return re.sub(r"-+", "-", " ".join(line.split()))


def test_the_obstacles_that_the_page_quotes_are_what_check_model_says() -> None:
    torch.manual_seed(0)
    said = {re.sub(r"\d+\.\d+", "#", str(each)) for each in check_model(ManyFaults(), (3, 8, 8))}
    quoted = block_with("docs/own-model.md", "stem: ").splitlines()
    assert quoted
    assert {re.sub(r"\d+\.\d+", "#", line) for line in quoted} <= said
