"""A headless Chromium, the page of a made run and the accessibility checker; tests are skipped where one is missing."""

import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from autoshrink.report import metrics, page, runs
from tests.unit.report import made_run

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder as slow: each waits for a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a run at the paper's size, compared with a smaller run of another seed."""
    folder = tmp_path_factory.mktemp("page")
    paper = made_run.parameters(**made_run.PAPER)
    other = made_run.parameters(cnn={"nodes": 5, "k": 3}).model_copy(update={"seed": 7})
    made_run.run(folder / "one", paper)
    made_run.run(folder / "other", other)
    searches = runs.read_all(folder / "one")
    html = page.render(
        searches,
        metrics.rows(searches),
        metrics.notes(paper, searches, []),
        runs.read_all(folder / "other"),
        ("one", "other"),
    )
    (folder / "index.html").write_text(html, encoding="utf-8")
    return (folder / "index.html").as_uri()


@pytest.fixture(scope="session")
def browser() -> Iterator[webdriver.Chrome]:
    """A browser that logs its console and every request."""
    binary = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    if not binary or not driver:
        pytest.skip("needs Chromium and its driver: apt-get install chromium chromium-driver")
    options = Options()
    options.binary_location = binary
    for argument in ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    session = webdriver.Chrome(options=options, service=Service(driver))
    session.set_script_timeout(120)  # axe takes seconds, and on a machine with other work to do many more
    yield session
    session.quit()


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core."""
    npm = shutil.which("npm")
    if not npm:
        pytest.skip("needs npm, which fetches axe-core: apt-get install npm")
    folder = tmp_path_factory.mktemp("axe")
    got = subprocess.run([npm, "pack", "axe-core@4"], cwd=folder, capture_output=True, text=True, check=False)
    archives = list(folder.glob("axe-core-*.tgz"))
    if got.returncode or not archives:
        pytest.skip("needs axe-core, which npm could not fetch")
    with tarfile.open(archives[0]) as archive:
        source = archive.extractfile("package/axe.min.js")
        assert source is not None
        return source.read().decode()
