import json
from collections.abc import Callable, Iterator

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

LOOKS = [(380, "light"), (380, "dark"), (1920, "light"), (1920, "dark")]


def look(browser: Chrome, width: int, scheme: str) -> None:
    """Give the browser a width and a colour scheme."""
    size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def wait(browser: Chrome, condition: Callable[[Chrome], object]) -> None:
    """Wait until the page says so."""
    WebDriverWait(browser, 90).until(condition)


def show(browser: Chrome, address: str) -> None:
    """Open the page afresh and wait until its charts are drawn."""
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(address)
    wait(browser, lambda _: browser.execute_script("return document.documentElement.dataset.ready"))
    wait(browser, lambda _: drawn(browser))


def drawn(browser: Chrome) -> bool:
    """Return whether every chart has its picture."""
    return bool(
        browser.execute_script(
            "const all = [...document.querySelectorAll('.plot')];"
            "return all.length > 0 && all.every((plot) => plot.querySelector('svg.marks'));"
        )
    )


def find(browser: Chrome, selector: str) -> WebElement:
    """Return the first element of this kind."""
    return browser.find_element(By.CSS_SELECTOR, selector)


def click(browser: Chrome, element: WebElement) -> None:
    """Bring the element into view and click it as a person would."""
    browser.execute_script(
        "arguments[0].scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'})", element
    )
    ActionChains(browser).move_to_element(element).click().perform()


def title(browser: Chrome) -> str:
    """Return which round the page shows."""
    return find(browser, ".stage h2").text


@pytest.fixture
def page(browser: Chrome, address: str) -> Iterator[Chrome]:
    """The page at the desktop's width; afterwards nothing may have been complained about or asked for."""
    look(browser, 1920, "light")
    show(browser, address)
    yield browser
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith(("file:", "data:", "about:", "blob:"))] == []


def test_opens_at_the_answer(page: Chrome) -> None:
    """The page opens at the best round and its candidate, with the headline numbers."""
    best = page.execute_script("return JSON.parse(document.getElementById('data').textContent).searches[0].best")
    assert title(page).startswith(f"Round {best[0]} of ")
    assert find(page, ".tries [aria-current=true] .badge").text == "kept"
    assert "98.1 %" in find(page, ".facts").text


def test_opens_soon(browser: Chrome, address: str) -> None:
    """330 candidates keep the page's thread busy for less than 2 s of its own time, however busy the machine is."""
    look(browser, 1920, "light")
    browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    show(browser, address)
    metrics = browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    assert 0 < next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration") < 2
    assert browser.execute_script("return document.querySelectorAll('.strip button').length") == 29


def test_walks_through_rounds(page: Chrome) -> None:
    """Buttons, frames and arrow keys lead through the rounds, and every part follows."""
    click(page, find(page, "[data-round='3']"))
    assert title(page).startswith("Round 3 ")
    assert find(page, ".said").text.startswith("Round 3 tried 10 candidates and kept")
    assert len(page.find_elements(By.CSS_SELECTOR, ".tries li")) == 10
    click(page, page.find_element(By.XPATH, "//button[contains(., 'Next')]"))
    assert title(page).startswith("Round 4 ")
    find(page, "[data-round='4']").send_keys(Keys.ARROW_LEFT)
    assert title(page).startswith("Round 3 ")
    assert page.switch_to.active_element.get_attribute("data-round") == "3"
    page.switch_to.active_element.send_keys(Keys.HOME)
    assert title(page) == "The start"
    assert "Nothing was tried" in find(page, ".stage").text


def test_shows_a_candidate(page: Chrome) -> None:
    """A click shows a candidate's curve, costs, early stop, key, digest and seed as its evaluation has them."""
    click(page, find(page, "[data-round='2']"))
    button = page.find_elements(By.CSS_SELECTOR, ".tries button")[4]
    known = page.execute_script(
        "const data = JSON.parse(document.getElementById('data').textContent);"
        "return data.searches[0].rounds[2].candidates.find((candidate) => candidate.id === arguments[0]);",
        button.get_attribute("data-id"),
    )
    click(page, button)
    wait(page, lambda _: drawn(page))
    click(page, find(page, ".detail summary"))
    shown = find(page, ".detail").text
    for name in ("evaluation", "digest", "seed", "key"):
        assert known[name] in shown
    assert (known["stop"] or "none") in shown
    assert "train accuracy" in shown and "validation accuracy" in shown


def test_pointing_at_a_candidate_lights_its_edges(page: Chrome) -> None:
    """List and drawing point at each other."""
    click(page, find(page, "[data-round='1']"))
    button = page.find_elements(By.CSS_SELECTOR, ".tries button")[2]
    ActionChains(page).move_to_element(button).perform()
    lit = page.find_elements(By.CSS_SELECTOR, ".stage .dag path.lit")
    assert len(lit) >= 1
    source, target = (lit[0].get_attribute("data-edge") or "").split("-")
    assert f"{source} → {target}" in button.text
    assert "lit" in (button.get_attribute("class") or "")


def test_clicking_a_chart_goes_to_the_candidate(page: Chrome) -> None:
    """A point of the scatter leads to its round."""
    click(page, find(page, "[data-round='0']"))
    points = page.find_elements(By.CSS_SELECTOR, ".plots .broad .mark-symbol path, .plots .large .mark-symbol path")
    assert len(points) > 200
    click(page, points[len(points) // 3])
    wait(page, lambda _: title(page) != "The start")
    assert find(page, ".tries [aria-current=true]")


def test_tabs_by_keyboard(page: Chrome) -> None:
    """Arrow keys change the task; the language search has its own words."""
    find(page, "[role=tab][aria-selected=true]").send_keys(Keys.ARROW_RIGHT)
    chosen = page.switch_to.active_element
    assert (chosen.text, chosen.get_attribute("aria-selected")) == ("Language modelling (RNN)", "true")
    wait(page, lambda _: drawn(page))
    text = find(page, "#panel").text
    assert "validation perplexity" in text and "Test perplexity" in text
    assert find(page, "#panel").get_attribute("aria-labelledby") == chosen.get_attribute("id")


def test_shows_the_final_models_predictions(page: Chrome) -> None:
    """The test split's accuracy by class, confusion matrix and sample images are on the page, and a text's words."""
    section = find(page, "section[aria-label='The final model on the test split']")
    assert len(section.find_elements(By.CSS_SELECTOR, ".gallery img")) == 24
    assert "✗ class 8" in section.text and "is: class 3" in section.text
    assert len(section.find_elements(By.CSS_SELECTOR, ".mark-rect path")) >= 30
    find(page, "[role=tab][aria-selected=true]").send_keys(Keys.ARROW_RIGHT)
    wait(page, lambda _: drawn(page))
    words = find(page, ".expectations")
    assert "<i>quick</i> cat (given 25.0 %)" in words.text and "dog 40.0 %" in words.text


def test_compares_two_runs(page: Chrome) -> None:
    """Both runs' cells and numbers stand side by side, and one slider leads through both."""
    click(page, page.find_element(By.XPATH, "//button[contains(., 'Compare')]"))
    wait(page, lambda _: drawn(page))
    assert len(page.find_elements(By.CSS_SELECTOR, ".sides svg.dag[role=img]")) == 4
    sides = page.find_elements(By.CSS_SELECTOR, ".sides")[0]
    assert "one: shrink-0" in sides.text and "other: shrink-0" in sides.text
    slider = find(page, "input[type=range]")
    slider.send_keys(Keys.END)
    assert "The search had ended after round" in sides.text
    assert "2020/cnn/shrink-0" in find(page, "#panel").text and "7/cnn/shrink-0" in find(page, "#panel").text


def test_address_leads_to_a_candidate(browser: Chrome, address: str) -> None:
    """The address after the # opens the same candidate again."""
    look(browser, 1920, "light")
    show(browser, address + "#rnn/shrink-0/2.1")
    assert title(browser).startswith("Round 2 ")
    assert find(browser, ".tries [aria-current=true]").get_attribute("data-id") == "2.1"
    assert browser.current_url.endswith("#rnn/shrink-0/2.1")


def test_colours_follow_the_scheme(browser: Chrome, address: str) -> None:
    """The page and its charts turn dark with the reader's system, also while open."""
    look(browser, 1920, "light")
    show(browser, address)
    light = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    look(browser, 1920, "dark")
    wait(browser, lambda _: drawn(browser) and "#56b4e9" in find(browser, ".plots").get_attribute("innerHTML"))
    dark = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (light, dark) == ("rgb(245, 246, 248)", "rgb(15, 18, 23)")


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
@pytest.mark.parametrize("view", ["", "#rnn/shrink-0", "#compare"])
def test_readable_and_accessible(browser: Chrome, address: str, axe: str, width: int, scheme: str, view: str) -> None:
    """At both widths and in both schemes nothing sticks out sideways and axe finds no serious fault."""
    look(browser, width, scheme)
    show(browser, address + view)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script(
        "return [...document.querySelectorAll('.plot svg')].every((e) => e.clientWidth > 150)"
    )
    browser.execute_script(axe)
    found = browser.execute_async_script(
        "const done = arguments[arguments.length - 1]; axe.run().then(done, (error) => done({error: String(error)}));"
    )
    assert "error" not in found, found
    faults = [
        (fault["id"], node["target"], node.get("failureSummary"))
        for fault in found["violations"]
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]
    assert faults == []
