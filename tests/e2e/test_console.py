"""What people do with the console, in a real browser on a real suite; pictures are kept in ``.kaiser/screenshots``."""

import contextlib
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from kaiser.local.ephemeral import PASSWORD
from kaiser.local.tree import Tree

from . import browser as browsing
from .browser import AXE, CONSOLE, Site, equip, log_in, picture, until
from .suite import standing

EQUIPPED, WAITING = "ESP_A10000", "ESP_A10001"
COOLING = {"limits": {"min_off_s": 3600}, "reason": "small tank"}
SCRIPT_BYTES = 200 * 1024
PAGES = ("", "devices", f"devices/{EQUIPPED}", "sensors", "actuators", f"actuators/{EQUIPPED}/25", "rules", "stops")


@pytest.fixture(scope="module")
def site(infra_tree: Tree, postgres_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site where one device is equipped, and two wait for approval."""
    folder = tmp_path_factory.mktemp("console")
    browsing.build()
    expect.set_options(timeout=30_000)
    options = {"console": str(CONSOLE / "dist")}
    with (
        standing(folder, infra_tree, postgres_template, **options) as suite,
        browsing.fleet(suite.mosquitto, folder / "fleet"),
        browsing.browser() as chromium,
    ):
        port = suite.gateway.environment["KAISER_GATEWAY_PORT"]
        with contextlib.closing(browsing.person(port)) as api:
            equip(api, EQUIPPED)
            yield Site(suite, f"http://127.0.0.1:{port}/", api, chromium)


@pytest.fixture
def page(site: Site) -> Iterator[Page]:
    """The overview, as somebody sees it who has logged in."""
    page = site.logged_in()
    yield page
    page.context.close()


def test_a_wrong_password_is_told_in_words_and_the_right_one_leads_to_the_overview(site: Site) -> None:
    page = site.page()
    picture(page, "login")
    log_in(page, "not the password")
    expect(page.get_by_role("alert")).to_have_text("User name and password do not belong together.")
    log_in(page, PASSWORD)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.get_by_role("link", name=WAITING)).to_be_visible()
    picture(page, "overview")
    page.reload()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()  # and is not asked again
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    page.context.close()


def test_a_device_is_approved_its_key_is_handed_over_once_and_its_readings_come_by_themselves(
    site: Site, page: Page
) -> None:
    page.get_by_role("link", name=WAITING).click()
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    handed_over = page.get_by_role("dialog", name=f"Key of {WAITING}")
    expect(handed_over.get_by_text(WAITING, exact=True)).to_be_visible()
    expect(handed_over.locator("svg")).to_be_visible()
    picture(page, "key")
    handed_over.get_by_role("button", name="Close").click()
    expect(page.get_by_role("heading", name=WAITING)).to_contain_text("approved")
    page.get_by_role("link", name="sht31_temp").click()
    value = page.locator(".now .value")
    expect(value).to_be_visible()
    first = value.text_content()
    until(lambda: value.text_content() != first)
    expect(page.get_by_role("img", name="sht31_temp")).to_be_visible()
    picture(page, "sensor")


def test_a_command_is_seen_step_by_step_and_what_safety_refuses_says_why(site: Site, page: Page) -> None:
    page.goto(f"{site.address}#/actuators/{EQUIPPED}/25")
    page.get_by_role("button", name="Switch on").click()
    commands = page.locator("section", has=page.get_by_role("heading", name="Commands"))
    expect(commands.get_by_role("listitem").first).to_contain_text("done")
    expect(commands.locator(".steps").first).to_contain_text("sent")
    expect(page.get_by_role("heading", level=1)).to_contain_text("on")
    picture(page, "actuator")
    page.get_by_role("button", name="Switch off").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("off")

    site.api.put(f"/actuators/{EQUIPPED}/25/limits", json=COOLING).raise_for_status()
    page.get_by_role("button", name="Switch on").click()
    expect(page.get_by_role("alert")).to_contain_text("COOLING_DOWN")
    expect(page.get_by_role("alert")).to_contain_text("Safety saw")
    picture(page, "refused")
    site.api.delete(f"/actuators/{EQUIPPED}/25/limits", params={"reason": "bigger tank"}).raise_for_status()


def test_an_emergency_stop_takes_two_steps_from_any_page_and_holds_until_it_is_released(site: Site, page: Page) -> None:
    page.goto(f"{site.address}#/actuators/{EQUIPPED}/27")
    page.get_by_label("Level").fill("40")
    page.get_by_role("button", name="Set").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("40")

    page.get_by_role("button", name="Emergency stop").click()
    dialog = page.get_by_role("dialog", name="Emergency stop")
    dialog.get_by_label("What is to stop?").select_option(label="Zone north")
    picture(page, "emergency-stop")
    dialog.get_by_role("button", name="Cancel").click()
    assert site.api.get("/emergency-stops").json()["items"] == []
    page.get_by_role("button", name="Emergency stop").click()
    dialog.get_by_label("What is to stop?").select_option(label="Zone north")
    dialog.get_by_role("button", name="Stop now").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("off")

    page.get_by_role("link", name="Stops").click()
    stop = page.get_by_role("listitem").filter(has_text="Zone north")
    expect(stop).to_contain_text("2 of 2")
    picture(page, "stops")
    stop.get_by_role("button", name="Release").click()
    page.get_by_role("dialog").get_by_label("Reason").fill("looked at it")
    page.get_by_role("dialog").get_by_role("button", name="Release").click()
    expect(page.get_by_text("No emergency stop is in force.")).to_be_visible()
    until(lambda: site.api.get("/emergency-stops").json()["items"] == [])


def test_what_is_shown_is_said_to_be_old_while_the_gateway_is_gone_and_goes_on_after(site: Site, page: Page) -> None:
    page.goto(f"{site.address}#/sensors")
    row = page.get_by_role("row").filter(has_text=EQUIPPED).first
    expect(row).to_be_visible()
    site.suite.gateway.kill()
    expect(page.get_by_text("Connection lost.")).to_be_visible()
    picture(page, "lost")
    site.suite.gateway.start()
    expect(page.get_by_text("Connection lost.")).to_be_hidden()
    value = row.locator(".value")
    before = value.text_content()
    until(lambda: value.text_content() != before)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_page(site: Site, scheme: Any) -> None:
    page = site.logged_in(color_scheme=scheme)
    page.evaluate(AXE.read_text())  # the page's own policy lets no script in that is not the console's
    for name in PAGES:
        page.goto(f"{site.address}#/{name}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        found = page.evaluate("axe.run()")["violations"]
        serious = [(one["id"], [node["html"] for node in one["nodes"]]) for one in found if one["impact"] != "minor"]
        assert serious == [], name
    picture(page, f"stops-{scheme}")
    page.context.close()


def test_it_fits_a_phone_and_speaks_german(site: Site) -> None:
    page = site.logged_in(width=390, height=844)
    page.get_by_label("Language").select_option("de")
    expect(page.get_by_role("heading", name="Übersicht")).to_be_visible()
    assert page.locator("html").get_attribute("lang") == "de"
    for name in PAGES:
        page.goto(f"{site.address}#/{name}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
    page.goto(site.address)
    picture(page, "phone")
    page.context.close()


def test_the_emergency_stop_can_be_given_by_keyboard_alone(site: Site, page: Page) -> None:
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    for _ in range(20):
        if focused.text_content() and "Emergency stop" in str(focused.text_content()):
            break
        page.keyboard.press("Tab")
    expect(focused).to_contain_text("Emergency stop")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert site.api.get("/emergency-stops").json()["items"] == []


def test_its_scripts_are_small_and_come_from_nowhere_else(site: Site) -> None:
    page = site.browser.new_context().new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(site.address)
    page.get_by_label("Password").wait_for()
    assert {url.split("/")[2] for url in asked} == {site.address.split("/")[2]}
    scripts = list((CONSOLE / "dist" / "assets").glob("*.js"))
    assert sum(script.stat().st_size for script in scripts) <= SCRIPT_BYTES
    assert sum(len(gzip.compress(script.read_bytes())) for script in scripts) <= SCRIPT_BYTES // 3
    page.context.close()
