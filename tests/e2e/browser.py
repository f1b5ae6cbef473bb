"""The console in Debian's Chromium, over a whole suite with simulated devices."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from kaiser.local.ephemeral import PASSWORD, Mosquitto
from kaiser.local.tree import CHECKOUT, tree_folder

from .suite import Suite

CONSOLE: Final = CHECKOUT / "clients" / "console"
AXE: Final = CONSOLE / "node_modules" / "axe-core" / "axe.min.js"
SCREENSHOTS: Final = Path(os.environ.get("KAISER_SCREENSHOTS") or CHECKOUT / ".kaiser" / "screenshots")
LIMIT_S: Final = 60.0
FLEET: Final = ("--devices", "3", "--sensors", "3", "--interval", "1", "--time-scale", "30", "--personality", "head")
EQUIPMENT: Final = {
    "sensors": [
        {"gpio": 4, "sensor_type": "ds18b20", "name": "bench", "onewire_address": "28FF000000000350", "interval_s": 2}
    ],
    "actuators": [
        {"gpio": 25, "actuator_type": "pump", "name": "Pump"},
        {"gpio": 27, "actuator_type": "pwm", "name": "Fan"},
    ],
}


class Site(NamedTuple):
    """A suite with devices, and a browser to look at it with.

    Attributes:
        address: Where the console is.
        api: Somebody who has logged in, beside the browser.
    """

    suite: Suite
    address: str
    api: httpx.Client
    browser: Browser

    def page(self, *, width: int = 1180, height: int = 820, **options: Any) -> Page:
        """A page of a browser that nobody has used yet; whatever its scripts complain of fails the test."""
        page = self.browser.new_context(
            viewport={"width": width, "height": height}, locale="en-GB", **options
        ).new_page()
        page.on("pageerror", _raise)
        page.goto(self.address)
        return page

    def logged_in(self, **options: Any) -> Page:
        """The same, of somebody who has logged in."""
        page = self.page(**options)
        log_in(page, PASSWORD)
        page.get_by_text("Live", exact=True).wait_for()
        return page


def _raise(error: Any) -> None:
    raise AssertionError(str(error))


def log_in(page: Page, password: str) -> None:
    """Fill the page that asks who one is."""
    page.get_by_label("User").fill("admin")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def picture(page: Page, name: str) -> None:
    """Keep a picture of a page, for people to look at."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def until(look: Callable[[], Any]) -> Any:
    """What is seen, once it is something."""
    end = time.monotonic() + LIMIT_S
    while not (seen := look()):
        assert time.monotonic() < end, seen
        time.sleep(0.1)
    return seen


def build() -> None:
    """Build the console, and get the browser; both once a checkout."""
    subprocess.run([CONSOLE / "build.sh"], check=True)
    subprocess.run([CHECKOUT / "deploy" / "local" / "chromium.sh", _chromium()], check=True)


def _chromium() -> Path:
    return tree_folder().parent / "chromium"


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Debian's Chromium without a window."""
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu"]  # tests run as root, and look at pages of their own
        chromium = playwright.chromium.launch(executable_path=_chromium() / "chromium", args=options)
        yield chromium
        chromium.close()


@contextlib.contextmanager
def fleet(mosquitto: Mosquitto, folder: Path) -> Iterator[None]:
    """Three devices that nobody has approved."""
    folder.mkdir(parents=True)
    password = folder / "password"
    password.write_text(PASSWORD)
    words = ["--port", str(mosquitto.port), "--user", "device", "--password-file", str(password), *FLEET]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-m", "kaiser.fleet", "run", *words], stdout=log, stderr=log)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def person(gateway_port: str) -> httpx.Client:
    """Somebody who has logged in, without a browser."""
    client = httpx.Client(base_url=f"http://127.0.0.1:{gateway_port}/api/v1", timeout=30)
    answer = client.post("/auth/login", json={"username": "admin", "password": PASSWORD}).raise_for_status().json()
    client.headers["Authorization"] = f"Bearer {answer['tokens']['access_token']}"
    return client


def equip(api: httpx.Client, esp_id: str) -> None:
    """Approve a device, and give it a pump, a fan and a sensor; returns when it has taken them."""
    until(lambda: api.get(f"/devices/{esp_id}").is_success)
    api.post(f"/devices/{esp_id}/approve", json={}).raise_for_status()
    api.put(f"/devices/{esp_id}/zone", json={"zone_id": "north"}).raise_for_status()
    api.put(f"/devices/{esp_id}/config", json=EQUIPMENT).raise_for_status()
    until(lambda: api.get(f"/devices/{esp_id}/config").json()["state"] == "confirmed")
    until(lambda: api.get(f"/actuators/{esp_id}/25").json().get("reported"))
