"""The page of qemu-pr fleet in a real browser, offline."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from chromium import DESKTOP, PHONE, chromium, show
from qemu_pr.cli.qemu_pr import main
from written_reports import disk, registration, report, status, texts

pytestmark = pytest.mark.timeout(300)  # a browser takes its time


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve hosts and three disks."""
    folder = tmp_path_factory.mktemp("fleet")
    told = status(registration(1, 0xA), registration(2, 0xB))
    reports = [
        report(
            host,
            *(
                disk(host, told, identity=f"naa.{10 - number:032x}", device=f"/dev/{number}")
                for number in range(3)
            ),
        )
        for host in range(1, 13)
    ]
    (folder / "reports.json").write_text(texts(*reports))
    main(["fleet", f"{folder}/reports.json", f"--html={folder}/page.html"])
    return folder / "page.html"


@pytest.fixture(scope="module")
def browser(page: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        browser.get(page.as_uri())
        yield browser


def disks_shown(browser: webdriver.Chrome) -> list[str]:
    rows = browser.find_elements(By.CSS_SELECTOR, "section:nth-of-type(2) tbody th")
    return [row.text[-1] for row in rows]


def test_a_click_on_a_head_sorts(browser: webdriver.Chrome) -> None:
    show(browser, DESKTOP, "light")
    head = browser.find_element(By.CSS_SELECTOR, "section:nth-of-type(2) thead button")

    head.click()
    once = disks_shown(browser)
    head.click()

    assert once == ["8", "9", "a"]
    assert disks_shown(browser) == ["a", "9", "8"]


@pytest.mark.parametrize("size", [PHONE, DESKTOP])
def test_only_the_matrix_scrolls_sideways(browser: webdriver.Chrome, size: tuple[int, int]) -> None:
    show(browser, size, "light")

    widths = browser.execute_script(
        "const box = document.querySelectorAll('.scroll')[0];"
        "const page = document.documentElement;"
        "return [page.scrollWidth, innerWidth, box.scrollWidth, box.clientWidth]"
    )

    assert widths[0] <= widths[1]
    assert widths[2] > widths[3]


def test_it_is_dark_where_readers_want_that(browser: webdriver.Chrome) -> None:
    colors = {}
    for theme in ("light", "dark"):
        show(browser, DESKTOP, theme)
        colors[theme] = browser.execute_script("return getComputedStyle(document.body).color")

    assert colors == {"light": "rgb(28, 33, 40)", "dark": "rgb(230, 233, 238)"}


def test_the_browser_has_nothing_to_complain_of(browser: webdriver.Chrome) -> None:
    assert browser.get_log("browser") == []
