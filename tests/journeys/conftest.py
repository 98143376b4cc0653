"""The whole product, started as its user starts it, and a real browser in front of it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
SHOTS = Path(os.environ.get("SCREENSHOTS", ROOT / "build" / "screenshots"))
START_S, PATIENCE_MS = 180, 60_000
expect.set_options(timeout=PATIENCE_MS)  # its own is 5 s, whatever the pages have
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
AXE_OPTIONS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Stack:
    """A running demo."""

    url: str
    sandbox_url: str
    process: subprocess.Popen[bytes]

    def sandbox(self, path: str) -> dict[str, Any]:
        return dict(requests.get(f"{self.sandbox_url}/control/{path}", timeout=60).json())


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """`manage.py demo` with a folder of its own; stopped with Ctrl-C, and it must then leave with 0."""
    folder = tmp_path_factory.mktemp("demo")
    port, sandbox_port = _free_port(), _free_port()
    own = {"DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "TESTING", "CREDENTIAL_KEYS", "PYTEST_XDIST_WORKER"}
    environment = {name: value for name, value in os.environ.items() if name not in own}
    environment |= {"RUN_DIR": str(folder / "run"), "SANDBOX_PORT": str(sandbox_port)}
    command = [sys.executable, "manage.py", "demo", "--port", str(port), "--no-browser"]
    with (folder / "demo.log").open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    running = Stack(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{sandbox_port}", process)
    try:
        _wait_for(running, folder / "demo.log")
        yield running
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(timeout=60)
    assert code == 0, (folder / "demo.log").read_text()[-3000:]


def _wait_for(stack: Stack, log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        assert stack.process.poll() is None, log.read_text()[-3000:]
        try:
            if requests.get(f"{stack.url}/demo/", timeout=60).ok:
                return
        except requests.RequestException:
            time.sleep(0.2)  # between looks; START_S ends it
    raise AssertionError(log.read_text()[-3000:])


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = which("chromium") or which("chromium-browser") or which("google-chrome")
    assert executable, "the journeys need chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield running
        running.close()


@dataclass
class Visitor:
    """One person at one screen. `shot` looks at the page as a person and as a machine does."""

    page: Page
    stack: Stack
    name: str
    complaints: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        self.page.goto(self.stack.url + path)

    def log_in(self, email: str) -> None:
        """By the demo's one-click login."""
        self.go("/demo/")
        self.page.get_by_role("button", name=email).click()
        self.page.wait_for_load_state()

    def shot(self, label: str) -> None:
        """Keep a picture; fail on a sideways scroll or anything axe finds."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self._picture(SHOTS / f"{label}--{self.name}.png")
        width = self.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert width[0] <= width[1], f"{label} scrolls sideways: {width}"
        found = Axe().run(self.page, options=AXE_OPTIONS).response["violations"]
        words = [(v["id"], v["help"], [node["html"][:200] for node in v["nodes"]][:3]) for v in found]
        assert not found, f"{label}: {json.dumps(words, indent=1)}"

    def _picture(self, path: Path) -> None:
        """On a busy machine Chromium now and then loses a frame, and gives it when asked again."""
        for is_last in (False, False, True):
            try:
                self.page.screenshot(path=path, full_page=True)
                return
            except Error as exc:
                if is_last or "Unable to capture" not in exc.message:
                    raise

    def console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"{self.page.url}: {message.text}")


type Enter = Callable[..., Visitor]


@pytest.fixture
def enter(browser: Browser, stack: Stack) -> Iterator[Enter]:
    """Open a new browser window: `enter(width=390, theme="dark")`. Its console must stay clean."""
    contexts: list[BrowserContext] = []
    visitors: list[Visitor] = []

    def open_window(*, width: int, theme: str, name: str = "") -> Visitor:
        height = 844 if width < 600 else 900
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        visitor = Visitor(context.new_page(), stack, name or f"{width}-{theme}")
        visitor.page.on("console", visitor.console)
        visitor.page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
        visitors.append(visitor)
        return visitor

    yield open_window
    for context in contexts:
        context.close()
    complaints = [line for visitor in visitors for line in visitor.complaints]
    assert not complaints, complaints
