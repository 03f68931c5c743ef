"""A real browser, offline, for tests that look at the rendered manual as its readers do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver import ActionChains, ChromeOptions, ChromeService, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from requirements import require

PHONE, DESKTOP = (390, 844), (1280, 1024)


@contextmanager
def chromium(profile: Path, *more: str) -> Iterator[webdriver.Chrome]:
    """Run Chromium for the length of a `with`.

    Args:
        profile: A directory for what it remembers.
        more: Further arguments, without dashes.
    """
    options = ChromeOptions()
    options.binary_location = require("chromium", package="chromium")
    for argument in [
        "headless=new",
        "no-sandbox",  # it takes rights that containers do not give; the pages are our own
        "disable-dev-shm-usage",
        "host-resolver-rules=MAP * ~NOTFOUND",  # offline
        f"user-data-dir={profile}",
        *more,
    ]:
        options.add_argument(f"--{argument}")
    driver = ChromeService(require("chromedriver", package="chromium-driver"))
    with webdriver.Chrome(options, driver) as browser:
        yield browser


def show(browser: webdriver.Chrome, size: tuple[int, int], theme: str = "light") -> None:
    """Give the window a size in CSS pixels, and the reader a wish for light or dark."""
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    wanted = {"name": "prefers-color-scheme", "value": theme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [wanted]})


def copied(browser: webdriver.Chrome, block: str) -> str:
    """Press a block's copy button, and paste."""
    element = browser.find_element(By.CSS_SELECTOR, block)
    button = element.find_element(By.CSS_SELECTOR, "button.copybtn")
    ActionChains(browser).move_to_element(element).move_to_element(button).click().perform()
    WebDriverWait(browser, 10).until(lambda _: "success" in button.get_attribute("class"))
    pasted = browser.execute_script(
        "const area = document.createElement('textarea');"
        "document.body.prepend(area); area.focus(); return area"
    )
    ActionChains(browser).key_down(Keys.CONTROL).send_keys("v").key_up(Keys.CONTROL).perform()
    return str(pasted.get_property("value"))
