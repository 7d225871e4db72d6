"""The report in a real browser: headless Chromium."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from report.render import write_report
from tests.fixtures.report_contents import with_contents
from tests.fixtures.report_run import Run, full_run, summary_of

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SIZES = {"desktop": (1280, 900), "phone": (375, 812), "small": (360, 640)}
HOSTILE = "<img src=x onerror=hacked()><script>hacked()</script>"
pytestmark = pytest.mark.skipif(
    os.environ.get("KELP_NO_BROWSER") == "1", reason="KELP_NO_BROWSER=1 is set"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    binary = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.fail(
            "no Chromium with its driver: apt-get install chromium chromium-driver, or leave "
            "these tests out with KELP_NO_BROWSER=1"
        )
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    opened = webdriver.Chrome(options=options, service=Service(driver))
    yield opened
    opened.quit()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a full run in which names try to break out."""
    run = full_run(tmp_path_factory.mktemp("run"))
    make_hostile(run)
    return write_report(run.folder, run.typed(), run.folders)


def make_hostile(run: Run) -> None:
    evidence = run.read("evidence", "evidence.json")
    evidence["slices"][0]["slice"] = {HOSTILE: HOSTILE}
    evidence["importance"][0]["feature"] = HOSTILE
    run.change("evidence", "evidence.json", evidence)
    (run.folder / "config.json").write_text(json.dumps({"card": {"owner": HOSTILE}}))
    run.summary["warnings"] = [HOSTILE]
    run.summary["variants"][-1] |= {"name": HOSTILE, "reasons": [HOSTILE]}
    run.summary["variants"][1] |= {"name": HOSTILE}


def show(
    browser: webdriver.Chrome, page: Path, size: str = "desktop", theme: str = "light"
) -> None:
    width, height = SIZES[size]
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size != "desktop"},
    )
    scheme = {"name": "prefers-color-scheme", "value": theme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    browser.get(page.as_uri())


def requests(browser: webdriver.Chrome) -> list[str]:
    """The addresses that were asked for since the log was last read."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]


def screenshot(browser: webdriver.Chrome, path: Path) -> bytes:
    taken = browser.execute_cdp_cmd(
        "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True}
    )
    path.write_bytes(base64.b64decode(taken["data"]))
    return path.read_bytes()


def test_quiet_and_self_contained(browser: webdriver.Chrome, page: Path) -> None:
    requests(browser)
    browser.get_log("browser")
    show(browser, page)
    browser.execute_script("window.scrollTo(0, document.body.scrollHeight)")
    assert requests(browser) == [page.as_uri()]
    assert browser.get_log("browser") == []
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_hostile_names_stay_text(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page)
    assert browser.execute_script("return document.scripts.length") == 1
    assert browser.execute_script("return document.images.length") == 0
    assert HOSTILE in browser.find_element(By.ID, "card").text
    assert HOSTILE in browser.find_element(By.ID, "slice-table").text
    assert HOSTILE in browser.find_element(By.ID, "variant-table").text
    assert HOSTILE[:38] in browser.execute_script(_LABELS)


_LABELS = "return document.querySelector('#variants svg.chart').textContent"


def test_pictures_and_heat_maps_are_drawn(browser: webdriver.Chrome, tmp_path: Path) -> None:
    run = with_contents(full_run(tmp_path))
    page = write_report(run.folder, run.typed(), run.folders)
    browser.get_log("browser")
    for size in SIZES:
        show(browser, page, size)
        widths = browser.execute_script(
            "return [...document.images].map(image => image.naturalWidth)"
        )
        assert len(widths) == 8
        assert all(widths)
        overflow = "return document.documentElement.scrollWidth - innerWidth"
        assert browser.execute_script(overflow) <= 0
    heat, image = (
        browser.find_element(By.CSS_SELECTOR, f".errors .picture {part}").rect
        for part in (".heat", "img")
    )
    assert (heat["width"], heat["height"]) == (image["width"], image["height"])
    distorted = """return [...document.images].filter(image => Math.abs(
      image.width / image.height - image.naturalWidth / image.naturalHeight) > 0.05).length"""
    assert browser.execute_script(distorted) == 0
    assert browser.get_log("browser") == []


def test_the_policy_lets_nothing_out_or_in(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page)
    browser.get_log("browser")
    with socket.create_server(("127.0.0.1", 0)) as server:
        browser.execute_async_script(
            _BREAK_OUT, f"http://127.0.0.1:{server.getsockname()[1]}/x.png"
        )
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert browser.execute_script("return window.hacked === undefined")
    message = " ".join(entry["message"] for entry in browser.get_log("browser"))
    assert "Content Security Policy" in message
    requests(browser)


_BREAK_OUT = """
const [address, done] = arguments;
const script = document.createElement('script');
script.textContent = 'window.hacked = 1';
document.body.append(script);
const image = new Image();
image.onload = image.onerror = () => done();
image.src = address;
"""


@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_fits_and_is_drawn(
    browser: webdriver.Chrome, page: Path, tmp_path: Path, size: str, theme: str
) -> None:
    show(browser, page, size, theme)
    shot = screenshot(browser, tmp_path / f"{size}-{theme}.png")
    assert shot.startswith(b"\x89PNG")
    assert len(shot) > 20_000
    width, over = browser.execute_script(
        "const page = document.scrollingElement;"
        "return [page.clientWidth, page.scrollWidth - page.clientWidth]"
    )
    assert width == SIZES[size][0]
    assert over == 0
    assert browser.execute_script(_DRAWN) == []
    assert (brightness(browser) < 60) == (theme == "dark")


@pytest.mark.parametrize("size", list(SIZES))
def test_why_a_gate_or_a_check_came_out_so_needs_no_scrolling(
    browser: webdriver.Chrome, page: Path, size: str
) -> None:
    show(browser, page, size, "light")
    hidden = browser.execute_script(
        "document.querySelectorAll('details').forEach((one) => { one.open = true; });"
        "return Array.from(document.querySelectorAll('table.reasons .wide')).filter((cell) => {"
        "  const holder = cell.closest('.scroll').getBoundingClientRect();"
        "  return cell.getBoundingClientRect().right > holder.right + 1;"
        "}).map((cell) => cell.textContent);"
    )
    assert hidden == []


# Charts that have no size, or that stick out of what holds them.
_DRAWN = """
return Array.from(document.querySelectorAll('svg.chart')).filter((chart) => {
  const box = chart.getBoundingClientRect(), outer = chart.parentElement.getBoundingClientRect();
  return box.width < 200 || box.height < 40 || box.right > outer.right + 1;
}).map((chart) => chart.getAttribute('aria-label'));
"""


def brightness(browser: webdriver.Chrome) -> float:
    colour = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    numbers = [int(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    return sum(numbers) / 3


def test_theme_can_be_switched(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page, theme="dark")
    button = browser.find_element(By.CSS_SELECTOR, "button.theme")
    assert button.text == "Light"
    before = brightness(browser)
    button.click()
    assert button.text == "Dark"
    assert brightness(browser) > before + 100


def column(browser: webdriver.Chrome, head: Any) -> list[str]:
    """What the cells of a column would be sorted by."""
    return browser.execute_script(
        "const head = arguments[0], rows = head.closest('table').tBodies[0].rows;"
        "return Array.from(rows, (row) => row.cells[head.cellIndex])"
        ".map((cell) => cell.dataset.value ?? cell.textContent)",
        head,
    )


def head(browser: webdriver.Chrome, table: str, label: str) -> Any:
    heads = browser.find_elements(By.CSS_SELECTOR, f"{table} thead th")
    return next(one for one in heads if one.text.strip().startswith(label))


def to_view(browser: webdriver.Chrome, element: Any) -> None:
    middle = "{block: 'center', behavior: 'instant'}"
    browser.execute_script(f"arguments[0].scrollIntoView({middle})", element)


def test_sorts_by_click(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page)
    rows = head(browser, "#slice-table", "Rows")
    button = rows.find_element(By.TAG_NAME, "button")
    to_view(browser, button)
    unsorted = column(browser, rows)
    button.click()
    assert rows.get_attribute("aria-sort") == "descending"
    falling = [float(value) for value in column(browser, rows)]
    assert falling == sorted(map(float, unsorted), reverse=True)
    assert falling != [float(value) for value in unsorted]
    button.click()
    assert rows.get_attribute("aria-sort") == "ascending"
    assert [float(value) for value in column(browser, rows)] == falling[::-1]
    result = browser.find_elements(By.CSS_SELECTOR, "#slice-table th[aria-sort]")
    assert len(result) == 1


def test_sorts_by_keyboard_and_keeps_the_unmeasured_last(
    browser: webdriver.Chrome, page: Path
) -> None:
    show(browser, page)
    gap = head(browser, "#slice-table", "Gap")
    button = gap.find_element(By.TAG_NAME, "button")
    to_view(browser, button)
    button.send_keys(Keys.ENTER)
    assert gap.get_attribute("aria-sort") == "ascending"
    values = column(browser, gap)
    measured = [float(value) for value in values if value]
    assert measured == sorted(measured)
    assert "" in values
    assert values[len(measured) :] == [""] * (len(values) - len(measured))
    button.send_keys(Keys.SPACE)
    assert gap.get_attribute("aria-sort") == "descending"
    assert column(browser, gap)[-1] == ""


def test_variants_are_sorted_with_the_unmade_last(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page, "phone")
    size = head(browser, "#variant-table", "Bytes")
    button = size.find_element(By.TAG_NAME, "button")
    to_view(browser, button)
    button.click()
    assert size.get_attribute("aria-sort") == "ascending"
    values = column(browser, size)
    assert values[-2:] == ["", ""]
    measured = [float(value) for value in values[:-2]]
    assert measured == sorted(measured)
    assert len(measured) == 12


def test_the_names_of_variants_stay_in_view(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page, "small")
    name = browser.find_element(By.CSS_SELECTOR, "#variant-table tbody th")
    to_view(browser, name)
    before = name.rect["x"]
    browser.execute_script("arguments[0].closest('.scroll').scrollTo(9999, 0)", name)
    assert abs(name.rect["x"] - before) < 2


def test_names_in_plots_do_not_hide_each_other(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page)
    assert browser.execute_script(_HIDDEN) == []


# Pairs of names in a plot of the variants that lie over each other.
_HIDDEN = """
const inside = (one, other) => one.left < other.right && other.left < one.right
  && one.top < other.bottom - 1 && other.top < one.bottom - 1;
return Array.from(document.querySelectorAll('#variants svg.chart')).flatMap((chart) => {
  const labels = Array.from(chart.querySelectorAll('text'));
  const boxes = labels.map((label) => label.getBoundingClientRect());
  return labels.flatMap((label, i) => labels.slice(i + 1)
    .filter((_, j) => inside(boxes[i], boxes[i + 1 + j]))
    .map((other) => [label.textContent, other.textContent]));
});
"""


def test_links_of_the_sections_lead_somewhere(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page)
    links = browser.find_elements(By.CSS_SELECTOR, "nav a")
    assert len(links) >= 10
    for link in links:
        assert browser.find_elements(By.ID, link.get_attribute("hash").removeprefix("#"))


def test_failed_run_is_shown_too(browser: webdriver.Chrome, tmp_path: Path, page: Path) -> None:
    browser.get_log("browser")
    summary = summary_of(
        status="failed",
        stopped_at="DataGate",
        error=["error: The label is missing.", "  where:    DataGate, feature delayed"],
    )
    show(browser, write_report(tmp_path, summary, {}), "phone", "dark")
    assert browser.get_log("browser") == []
    assert "The run failed at DataGate" in browser.find_element(By.ID, "verdict").text
    over = browser.execute_script(
        "const page = document.scrollingElement; return page.scrollWidth - page.clientWidth"
    )
    assert over == 0
