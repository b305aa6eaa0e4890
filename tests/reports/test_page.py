"""The report in a headless browser: nothing is wider than its place, at two widths."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

if not os.environ.get("CI"):  # whose script installs both, so that nothing is skipped there
    pytest.importorskip("playwright", reason="needs the dev extra")
    pytest.importorskip("jinja2", reason="needs the report extra")

from PIL import Image
from playwright.sync_api import Error, sync_playwright

from reports import hard_report
from semifreddo.reports.html import render_html

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTHS = (400, 1280)

FINDINGS = """() => {
  document.querySelectorAll("details").forEach((details) => { details.open = true; });
  const found = [], page = document.documentElement;
  const say = (element, what) => found.push(
    `${element.tagName.toLowerCase()}.${element.getAttribute("class") || ""} ${what}: ` +
    element.textContent.trim().slice(0, 60));
  if (page.scrollWidth > page.clientWidth)
    found.push(`the page is ${page.scrollWidth} wide, the window ${page.clientWidth}`);
  for (const element of document.querySelectorAll("main *")) {
    const place = element.closest(".scroll");
    if (place && element !== place) continue;  // scrolls by itself, on purpose
    const box = element.getBoundingClientRect();
    if (!box.width && !box.height) continue;  // not shown
    if (element instanceof SVGElement && element.ownerSVGElement) {
      const whole = element.ownerSVGElement.getBoundingClientRect();
      if (box.left < whole.left - 1 || box.right > whole.right + 1) say(element, "leaves its SVG");
      continue;
    }
    const outer = element.parentElement.getBoundingClientRect();
    if (box.left < outer.left - 1 || box.right > outer.right + 1)
      say(element, `${box.left}..${box.right} leaves ${outer.left}..${outer.right}`);
    const style = getComputedStyle(element);
    if (element.scrollWidth > element.clientWidth + 1 && element.clientWidth &&
        element !== place && style.display !== "inline")
      say(element, `holds ${element.scrollWidth} in ${element.clientWidth}`);
    if (parseFloat(style.fontSize) < 11 && element.textContent.trim()) say(element, "is too small");
  }
  for (const text of document.querySelectorAll("svg.net text")) {
    const box = text.parentElement.querySelector("rect").getBoundingClientRect();
    if (text.getBoundingClientRect().right > box.right) say(text, "leaves its box");
  }
  return found;
}"""
"""Everything that is wider than its place, in words."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = next((found for name in _BROWSERS if (found := shutil.which(name))), None)
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except Error as error:
            if os.environ.get("CI") and not os.environ.get("SEMIFREDDO_NO_BROWSER"):
                raise
            pytest.skip(f"no browser (apt-get install chromium): {str(error).splitlines()[0]}")
        yield started
        started.close()


def curve() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (1400, 500), "white").save(buffer, "png")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    net = hard_report.net()
    text = render_html(
        hard_report.full_report(),
        net,
        hard_report.vectors(net),
        {"Training of the task": curve()},
        {f"{'a_folder/' * 20}schedule.txt": "why every layer is as it is"},
    )
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(text)
    return path


def findings(browser: Any, path: Path, width: int, scheme: str = "light") -> list[str]:
    shown = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    try:
        shown.goto(path.as_uri())
        found: list[str] = shown.evaluate(FINDINGS)
        return found
    finally:
        shown.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_its_place(browser: Any, page: Path, width: int) -> None:
    assert findings(browser, page, width) == []


@pytest.mark.parametrize("width", WIDTHS)
def test_a_page_that_overflows_is_found(
    browser: Any, page: Path, tmp_path: Path, width: int
) -> None:
    wide = tmp_path / "wide.html"
    wide.write_text(page.read_text().replace("overflow-wrap: anywhere", "overflow-wrap: normal"))
    assert findings(browser, wide, width)


def test_the_dark_page_is_dark_and_legible(browser: Any, page: Path) -> None:
    colours = """() => ["body", "section", "td.name", "td.n", "a", ".muted", "svg.net text"].map(
        (name) => { const style = getComputedStyle(document.querySelector(name));
                    return [style.color, style.backgroundColor, style.fill]; })"""

    def lightness(colour: str) -> float:
        return sum(float(part) for part in colour.strip("rgba()").split(",")[:3]) / 3

    shown = browser.new_page(color_scheme="dark")
    shown.goto(page.as_uri())
    body, section, *texts, drawn = shown.evaluate(colours)
    shown.close()
    assert lightness(body[1]) < 40 and lightness(section[1]) < 50
    assert all(lightness(text[0]) > 140 for text in texts)
    assert lightness(drawn[2]) > 140


def test_it_asks_for_nothing_from_outside(browser: Any, page: Path) -> None:
    asked: list[str] = []
    shown = browser.new_page()
    shown.on("request", lambda request: asked.append(request.url))
    shown.goto(page.as_uri())
    shown.close()
    assert [url for url in asked if not url.startswith("data:")] == [page.as_uri()]
