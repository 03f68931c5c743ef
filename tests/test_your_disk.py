"""The reader's own disk and socket in the blocks of the manual, as a real browser puts them in."""

import argparse
import io
import json
import random
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree

import pytest
from selenium import webdriver
from selenium.webdriver import Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from chromium import DESKTOP, PHONE, chromium, copied, show
from qemu_pr.cli.qemu_pr import build_parser
from rendered_manual import PAGES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# Each has blocks that `qemu-pr command-line` prints: in the shell with key=value and JSON,
# libvirt's XML, QMP, and the args: line of Proxmox VE.
PRINTED = ["pr-manager", "howto/libvirt", "howto/hot-plug", "howto/proxmox"]
COUNT = 1000

SPECIAL = (
    ",,'\"  ==<>&\\$`#*?[]{}()|;!~^%:@+-_.\u00e4\u0436\u6f22\u00a0\u2028\ufeff\U0001f4be\U0010fffd"
)
PLAIN = "abcxyzABC0189/"

# For each pair of paths: the command above each block, and what its copy button hands to the
# clipboard. The clipboard itself is left out; a real press of a button is a test of its own.
COPY_ALL = """
let given;
document.execCommand = () => {
  given = [...document.querySelectorAll("body > textarea")].at(-1).value;
  return true;
};
const blocks = [...document.querySelectorAll(".literal-block-wrapper [data-yours]")];
return arguments[0].map((pair) => {
  for (const name of ["disk", "socket"]) {
    document.getElementById(`yours-${name}`).value = pair[name];
  }
  document.querySelector(".your-disk").dispatchEvent(new Event("input"));
  return blocks.map((block) => {
    block.querySelector("button.copybtn").click();
    return [block.parentElement.querySelector(".code-block-caption code").textContent, given];
  });
});
"""
TEXTS = "return [...document.querySelectorAll('pre, .code-block-caption')].map(e => e.textContent)"
READY = (
    "return document.querySelectorAll('pre').length == document.querySelectorAll('.copybtn').length"
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        browser.set_script_timeout(600)
        show(browser, DESKTOP)
        yield browser


@pytest.fixture(scope="module")
def parser() -> argparse.ArgumentParser:
    return build_parser()


@pytest.fixture
def page(browser: webdriver.Chrome, html: Path) -> Iterator[webdriver.Chrome]:
    """The page with the command lines, as a reader meets it who has not been here before."""
    open_page(browser, html, "pr-manager")
    yield browser
    browser.execute_script("localStorage.clear()")


def open_page(browser: webdriver.Chrome, html: Path, name: str) -> None:
    browser.get((html / f"{name}.html").as_uri())
    WebDriverWait(browser, 30).until(lambda page: page.execute_script(READY))


def random_paths(draw: random.Random, longest: int) -> list[str]:
    """Paths of what the shell, QEMU, JSON and XML take for something else, and of any text."""
    lengths = (draw.randint(1, longest) for _ in range(COUNT))
    return [
        "/" + "".join(draw.choice(draw.choice([SPECIAL, PLAIN])) for _ in range(length))
        for length in lengths
    ]


def printed_by(parser: argparse.ArgumentParser, words: list[str]) -> str:
    """What the program prints."""
    options = parser.parse_args(words)
    with mock.patch("sys.stdout", io.TextIOWrapper(io.BytesIO())) as output:
        assert options.run(options) == 0
        output.flush()
        return str(output.buffer.getvalue().decode().rstrip("\n"))


def words_of_sh(commands: list[str], script: Path) -> list[list[str]]:
    """What a shell gives QEMU in each of many commands."""
    qemu, recorder = "qemu-system-x86_64", "record"
    given = [recorder + command.removeprefix(qemu) for command in commands]
    function = f"{recorder}() {{ printf '%s\\0' {qemu} \"$@\" END; }}"
    script.write_text("\n".join([function, *given, ""]))
    done = subprocess.run(["sh", script], capture_output=True, check=True)
    assert done.stderr == b""
    return [one.split("\0")[:-1] for one in done.stdout.decode().split("END\0")[:-1]]


def put_in(browser: webdriver.Chrome, name: str, path: str) -> None:
    field = browser.find_element(By.ID, f"yours-{name}")
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(path or Keys.DELETE)


@pytest.mark.parametrize("name", PRINTED)
def test_the_copy_button_gives_what_the_program_prints(
    browser: webdriver.Chrome,
    html: Path,
    parser: argparse.ArgumentParser,
    tmp_path: Path,
    name: str,
) -> None:
    draw = random.Random(17)
    disks, sockets = random_paths(draw, 40), random_paths(draw, 20)
    pairs = [{"disk": d, "socket": s} for d, s in zip(disks, sockets, strict=True)]
    open_page(browser, html, name)

    blocks = browser.execute_script(COPY_ALL, pairs)

    of_shell: dict[str, list[str]] = {}
    for pair, block in (
        (pair, block) for pair, of in zip(pairs, blocks, strict=True) for block in of
    ):
        caption, text = block
        _, *words = shlex.split(caption)
        assert text == printed_by(parser, words), pair
        assert pair["disk"] in words or "/dev/sdc" in words
        assert pair["socket"] in words or "--managed" in words
        if text.startswith("qemu-system"):
            argv = printed_by(parser, [words[0], "--format", "argv", *words[1:]])
            of_shell[text] = json.loads(argv)
        elif text.startswith("<"):
            devices = ElementTree.fromstring(f"<devices>{text}</devices>")
            assert [one.get("dev") for one in devices.iterfind("disk/source")] == [pair["disk"]]
    assert words_of_sh(list(of_shell), tmp_path / "commands") == list(of_shell.values())


def test_pressing_the_button_copies_the_readers_path(page: webdriver.Chrome) -> None:
    put_in(page, "disk", "/dev/disk/by-id/a,b 'c'")

    text = copied(page, "div.highlight-shell")

    assert "file.filename=/dev/disk/by-id/a,,b '\"'\"'c'\"'\"',file.pr-manager" in text


def test_another_page_remembers_the_paths(page: webdriver.Chrome, html: Path) -> None:
    put_in(page, "disk", "/dev/mapper/<mine>")
    put_in(page, "socket", "/run/mine.sock")

    open_page(page, html, "howto/libvirt")

    block = page.find_element(By.CSS_SELECTOR, ".highlight-xml").text
    assert "<source dev='/dev/mapper/&lt;mine>'>" in block
    assert "path='/run/mine.sock'" in block


def test_what_a_command_prints_names_the_path_that_it_was_given(
    page: webdriver.Chrome, html: Path
) -> None:
    put_in(page, "disk", "/dev/my disk")

    open_page(page, html, "howto/check-a-host")

    block = page.find_element(By.CSS_SELECTOR, ".highlight-console").text
    assert block.startswith("$ qemu-pr doctor '/dev/my disk'\n")
    assert "disk: /dev/my disk: a SCSI disk" in block


def test_put_back_gives_the_page_as_it_was(page: webdriver.Chrome, html: Path) -> None:
    before = page.execute_script(TEXTS)
    put_in(page, "disk", "/dev/mine")
    put_in(page, "socket", "/run/mine.sock")
    assert page.execute_script(TEXTS) != before

    page.find_element(By.CSS_SELECTOR, ".your-disk button").click()

    assert page.execute_script(TEXTS) == before
    open_page(page, html, "pr-manager")
    assert page.execute_script(TEXTS) == before
    assert page.find_element(By.ID, "yours-disk").get_property("value") == ""


@pytest.mark.parametrize(
    ("name", "path", "why"),
    [
        ("disk", "dev/sdb", "write the whole path"),
        ("disk", "/dev/a\tb", "control character"),
        ("disk", "/dev/\ud800", "character that JSON and XML do not take"),
        ("disk", "/dev/\ufffe", "character that JSON and XML do not take"),
        ("disk", "/" + 2048 * "\u00e4", "it has 4097 bytes, and Linux takes 4095 at most"),
        ("socket", "/" + 107 * "x", "it has 108 bytes, and Linux takes 107 at most"),
    ],
)
def test_a_path_that_not_every_format_can_have_changes_nothing(
    page: webdriver.Chrome, name: str, path: str, why: str
) -> None:
    put_in(page, name, "/right")
    before = page.execute_script(TEXTS)

    page.execute_script(
        f"const field = document.getElementById('yours-{name}');"
        f"field.value = {json.dumps(path)};"
        "field.dispatchEvent(new Event('input', {bubbles: true}))"
    )

    told = page.find_element(By.ID, "yours-told").text
    assert why in told
    assert told.endswith("Nothing is changed.")
    assert page.execute_script(TEXTS) == before


@pytest.mark.parametrize("name", PAGES)
def test_each_place_of_a_page_has_the_text_that_the_build_saw(
    browser: webdriver.Chrome, html: Path, name: str
) -> None:
    browser.get((html / f"{name}.html").as_uri())

    wrong = browser.execute_script(
        """
        return [...document.querySelectorAll("[data-yours]")].flatMap((block) => {
          const places = JSON.parse(block.dataset.yours);
          const text = block.querySelector("pre").textContent;
          const caption = block.parentElement.querySelector(".code-block-caption code");
          const differs = (text) => ([at, shown]) => !text.startsWith(shown, at);
          return [...places.text.filter(differs(text)),
                  ...places.caption.filter(differs(caption?.textContent ?? ""))];
        });
        """
    )

    assert wrong == []


def test_the_field_has_labels_and_the_keyboard_reaches_all_of_it(page: webdriver.Chrome) -> None:
    put_in(page, "disk", "/dev/mine")

    for name in ("yours-socket", None):
        page.switch_to.active_element.send_keys(Keys.TAB)
        assert page.switch_to.active_element.get_property("id") == (name or "")
    assert page.switch_to.active_element.text == "Put back"
    page.switch_to.active_element.send_keys(Keys.ENTER)

    field = page.find_element(By.ID, "yours-disk")
    assert field.get_property("value") == ""
    assert field.accessible_name == "Your disk"


def test_a_browser_that_remembers_nothing_still_puts_the_path_in(
    html: Path, tmp_path: Path
) -> None:
    denied = {"profile": {"default_content_setting_values": {"cookies": 2}}}
    (tmp_path / "Default").mkdir()
    (tmp_path / "Default/Preferences").write_text(json.dumps(denied))
    with chromium(tmp_path) as browser:
        open_page(browser, html, "pr-manager")
        assert browser.execute_script(
            "try { localStorage.length; return false } catch { return true }"
        )

        put_in(browser, "disk", "/dev/mine")

        assert "/dev/mine" in browser.find_element(By.CSS_SELECTOR, ".highlight-shell").text


def test_without_javascript_the_page_has_no_field(html: Path) -> None:
    assert 'class="your-disk"' not in (html / "pr-manager.html").read_text()


@pytest.mark.parametrize("size", [DESKTOP, (400, 800)])
@pytest.mark.parametrize("name", PAGES)
def test_no_line_of_code_is_out_of_sight(
    browser: webdriver.Chrome, html: Path, name: str, size: tuple[int, int]
) -> None:
    show(browser, size)
    browser.get((html / f"{name}.html").as_uri())

    wider = browser.execute_script(
        "return [...document.querySelectorAll('pre, .highlight')]"
        ".filter((block) => block.scrollWidth > block.clientWidth)"
        ".map((block) => block.textContent)"
    )

    assert wider == []


def test_a_line_goes_on_further_in_than_it_begins(page: webdriver.Chrome) -> None:
    show(page, PHONE)

    pieces = page.execute_script(
        """
        const [, , , line] = document.querySelectorAll(".highlight-shell .line");
        const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
        const boxes = [];
        while (walker.nextNode()) {
          const range = document.createRange();
          range.selectNode(walker.currentNode);
          if (walker.currentNode.data.trim()) boxes.push(...range.getClientRects());
        }
        return boxes.map((box) => [Math.round(box.top), box.left]);
        """
    )

    show(page, DESKTOP)
    lines: dict[int, float] = {}
    for top, left in pieces:
        lines[top] = min(left, lines.get(top, left))
    first, *more = (left for _, left in sorted(lines.items()))
    assert more
    assert min(more) > first


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_field_fits_on_a_phone(page: webdriver.Chrome, theme: str) -> None:
    show(page, PHONE, theme)

    put_in(page, "disk", "/dev/disk/by-id/" + 30 * "long")

    assert page.execute_script("return document.documentElement.scrollWidth") <= PHONE[0]
    show(page, DESKTOP)
