"""What readers click, in JupyterLab in a real browser: a quiz, flashcards, a whole mock interview.

It needs Chromium on the machine, and is left out where there is none.
"""

import inspect
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from nbformat import write
from nbformat.v4 import new_code_cell, new_notebook

from helpers.drills.judge import find as find_drill
from helpers.execute import METADATA
from helpers.interview import bank
from helpers.interview.quiz import quizzes
from helpers.interview.session import draw

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")
CELLS = [
    "from helpers.interview import flashcards, mock_interview, quiz",
    'quiz("03_recurrent_networks", 4)',
    'flashcards("recurrent")',
    "mock_interview(minutes=20, seed=4)",
]
SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab in a folder of its own, with one notebook that was not run."""
    folder = tmp_path_factory.mktemp("lab")
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in CELLS], metadata=METADATA)
    write(notebook, folder / "panel.ipynb")
    port = free_port()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}"]
    command += ["--ServerApp.token=", f"--ServerApp.root_dir={folder}"]
    environment = os.environ | {
        "COURSE_PROGRESS": str(folder / "progress.sqlite3"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_PREFER_ENV_PATH": "1",
    }
    address = f"http://127.0.0.1:{port}"
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            until = time.monotonic() + SECONDS
            while not answers(address):
                assert server.poll() is None and time.monotonic() < until, (
                    "JupyterLab did not start"
                )
                time.sleep(0.2)
            yield address
        finally:
            server.terminate()
            server.wait(30)


def answers(address: str) -> bool:
    try:
        return urllib.request.urlopen(f"{address}/api", timeout=5).status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser, lab):
    """The notebook, opened and run. What lies outside the machine cannot be reached."""
    context = browser.new_context(viewport={"width": 1200, "height": 2400})
    context.route("**/*", lambda route: own(route, lab))
    page = context.new_page()
    page.set_default_timeout(SECONDS * 1000)
    page.goto(f"{lab}/lab/workspaces/auto-{time.monotonic_ns()}/tree/panel.ipynb?reset")
    run_all(page)
    yield page
    context.close()


def run_all(page) -> None:
    """Run the notebook by its menu, once its kernel is there."""
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    button(page, "Begin", "Continue").wait_for()


def own(route, lab) -> None:
    route.continue_() if route.request.url.startswith((lab, "data:", "blob:")) else route.abort()


def button(page, *names: str):
    """The visible button of the notebook with one of these names."""
    found = page.locator(".widget-button:visible")
    either = found.filter(has_text=names[0])
    for name in names[1:]:
        either = either.or_(found.filter(has_text=name))
    return either.first


def press(page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def focused(page) -> str:
    """What the keyboard acts on: a button's text, or the kind of a box."""
    return page.evaluate(
        "() => { const e = document.activeElement;"
        " return e.tagName === 'BUTTON' ? e.innerText.trim() : e.type || e.tagName }"
    )


def wait_for_focus(page, expected: str) -> None:
    until = time.monotonic() + SECONDS
    while focused(page) != expected:
        assert time.monotonic() < until, f"{focused(page)!r} has the focus, not {expected!r}"
        time.sleep(0.1)


def test_a_quiz_says_why(page):
    of_section = [one for one in quizzes("03_recurrent_networks") if one.section == "4"]
    choice = next(one for one in of_section if one.within is None)
    number = next(one for one in of_section if one.within is not None)
    option, reason = choice.wrong[0]
    page.get_by_text(option.replace("`", "")).click()
    page.get_by_text(reason.replace("`", "")).wait_for()
    page.get_by_text(choice.right.replace("`", "")).click()
    page.get_by_text(choice.why.replace("`", "")).wait_for()
    page.locator("input.Input-text").fill(number.right)
    page.locator("input.Input-text").press("Enter")
    page.get_by_text(number.why.replace("`", "")).wait_for()


def test_flashcards_by_keys(page):
    keys = page.get_by_placeholder("keys")
    keys.focus()
    page.keyboard.press("Space")
    page.get_by_text("A full answer says").first.wait_for()
    page.keyboard.press("l")
    page.get_by_text("完整的回答包括").first.wait_for()
    page.keyboard.press("3")
    page.get_by_text("1 answered").wait_for()
    assert focused(page) == "text", "the box keeps the focus"


def test_a_mock_interview_by_keys_interrupted_and_continued(page, browser, lab):
    planned = draw(minutes=20, seed=4)
    button(page, "Begin").focus()
    press(page, "Enter")
    for number, item in enumerate(planned.items, start=1):
        page.get_by_text(f"Task {number} of 5").wait_for()
        if item.is_code:
            wait_for_focus(page, "textarea")
            assert item.name in page.locator("textarea:visible").input_value()
            page.keyboard.press("Control+A")
            source = inspect.getsource(inspect.getmodule(find_drill(item.name).reference))
            page.keyboard.insert_text(source)
            press(page, "Tab")
            wait_for_focus(page, "Judge")
            press(page, "Enter")
            page.get_by_text(f"{item.name} is right in all").first.wait_for()
            press(page, "Tab")
        else:
            wait_for_focus(page, "Show the points")
            page.get_by_text(bank.find(item.name).en.question.replace("`", "")).last.wait_for()
            press(page, "Enter")
            wait_for_focus(page, "checkbox")
            press(page, "Space", "Tab", "Space")
            while focused(page) == "checkbox":
                press(page, "Tab")
            press(page, "Tab")
        if number == 2:  # the reader's machine goes off: no pause, no farewell
            interrupt(page)
            page.get_by_text("One was interrupted at task 2 of 5").wait_for()
            assert focused(page) != "Continue"
            button(page, "Continue").focus()
            press(page, "Enter")
            page.get_by_text("Tick what you said").wait_for()
            assert page.locator("input[type=checkbox]:visible:checked").count() == 2
            button(page, "Next").focus()
        wait_for_focus(page, "Next")
        press(page, "Enter")
    page.get_by_text("of the points").first.wait_for()
    page.locator("img[src^='blob:']:visible").wait_for()
    wait_for_focus(page, "Begin another")
    assert page.locator("img[src^='blob:']:visible").evaluate("image => image.naturalWidth") == 800


def interrupt(page) -> None:
    """Kill the kernel as a machine that goes off would, and run the notebook anew."""
    time.sleep(1)
    for kernel in kernels():
        os.kill(kernel, 9)
    page.reload()
    run_all(page)


def kernels() -> list[int]:
    """The kernels that a server of this process has started."""
    import psutil

    children = psutil.Process().children(recursive=True)
    return [
        child.pid
        for child in children
        if any("ipykernel_launcher" in part for part in child.cmdline())
    ]
