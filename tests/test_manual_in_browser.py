"""The rendered manual in a real browser, offline, as its readers meet it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver import Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from chromium import DESKTOP, PHONE, chromium, copied, show
from rendered_manual import PAGES

# rendering and starting a browser take their time
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

S10 = [
    *("-device", "virtio-scsi"),
    *("-object", "pr-manager-helper,id=helper0,path=/var/run/qemu-pr-helper.sock"),
    "-blockdev",
    "node-name=hd,driver=raw,file.driver=host_device,file.filename=/dev/sdb,"
    "file.pr-manager=helper0",
    *("-device", "scsi-block,drive=hd"),
]
MESSAGES = [
    "No persistent reservation manager with id 'helper0'",
    "cannot get SG_IO version number: Invalid argument",
    "Block format 'raw' does not support the option 'pr-manager'",
    "unsupported configuration: <reservations/> allowed only for lun devices",
    "Cannot lock pid file: Resource temporarily unavailable",
    "VM is paused (I/O error) after it was fenced",
    "Invalid exchange (EBADE)",
    "PR out (Register): Device not ready",
    'exec: "/entrypoint.sh": stat /entrypoint.sh: no such file or directory',
    "reservations fail after virt-handler was restarted",
    "Property 'scsi-hd.pr-manager' not found",
    "Parameter 'path' is missing",
    "Invalid parameter 'connected-socket'",
    "disk device 'lun' must use 'raw' format",
    "Missing required attribute 'managed' in element 'reservations'",
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


def test_the_copy_button_gives_a_command_line_that_sh_parses_to_the_arguments(
    browser: webdriver.Chrome, html: Path, tmp_path: Path
) -> None:
    show(browser, DESKTOP)
    browser.get((html / "pr-manager.html").as_uri())
    qemu = tmp_path / "qemu-system-x86_64"
    qemu.write_text("#!/bin/sh\nprintf '%s\\0' \"$@\"\n")
    qemu.chmod(0o755)

    text = copied(browser, "div.highlight-shell")

    done = subprocess.run(
        ["sh", "-c", text], env={"PATH": f"{tmp_path}:/bin"}, capture_output=True, text=True
    )
    assert done.stderr == ""
    assert done.stdout.split("\0")[:-1] == S10


def test_the_copy_button_leaves_prompts_and_output_out(
    browser: webdriver.Chrome, html: Path
) -> None:
    show(browser, DESKTOP)
    browser.get((html / "tutorial.html").as_uri())

    text = copied(browser, "section#reserve div.highlight-console")

    assert text == "a --out --reserve --param-rk=0xa --prout-type=1\nb --in --read-reservation"


@pytest.mark.parametrize("message", MESSAGES)
def test_searching_for_an_error_message_finds_what_to_do(
    browser: webdriver.Chrome, html: Path, message: str
) -> None:
    show(browser, DESKTOP)
    browser.get((html / "index.html").as_uri())

    browser.find_element(By.CSS_SELECTOR, "input.sidebar-search").send_keys(message, Keys.ENTER)

    results = WebDriverWait(browser, 30).until(
        lambda page: page.find_elements(By.CSS_SELECTOR, "#search-results li a")
    )
    assert results[0].get_property("pathname") == f"{html}/troubleshooting.html"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_no_wider_than_a_phone(
    browser: webdriver.Chrome, html: Path, page: str, theme: str
) -> None:
    show(browser, PHONE, theme)

    browser.get((html / f"{page}.html").as_uri())

    assert browser.execute_script("return document.documentElement.scrollWidth") <= PHONE[0]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_figures_stand_out_in_light_and_dark(
    browser: webdriver.Chrome, html: Path, theme: str
) -> None:
    show(browser, DESKTOP, theme)

    browser.get((html / "explanation/reservations.html").as_uri())

    paper, text, figure = (
        brightness(browser, selector, property_)
        for selector, property_ in [
            ("body", "background-color"),
            ("article p", "color"),
            (".drawing text", "fill"),
        ]
    )
    assert (paper > 0.8) == (theme == "light")
    assert min(abs(paper - text), abs(paper - figure)) > 0.5


def brightness(browser: webdriver.Chrome, selector: str, property_: str) -> float:
    colour = browser.find_element(By.CSS_SELECTOR, selector).value_of_css_property(property_)
    red, green, blue = (int(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3])
    return (red + green + blue) / (3 * 255)
