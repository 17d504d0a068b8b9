"""The whole way of a generated app: files through the API, npm, Vite, its page by preview and deployment, and hot
reload in a real browser."""

import urllib.parse

import pytest
import requests

from harness import vite
from harness.browser import browser
from harness.expect import checked
from harness.wait import Timeout, wait_until


def fetch(url, **options):
    """GET of a *.localhost URL, which only browsers resolve by themselves."""
    parts = urllib.parse.urlsplit(url)
    with requests.Session() as session:
        session.trust_env = False
        headers = {"Host": parts.netloc, **options.pop("headers", {})}
        address = parts._replace(netloc=f"127.0.0.1:{parts.port}").geturl()
        return session.get(address, headers=headers, timeout=60, **options)


@pytest.fixture(scope="module")
def app(client):
    """A started Vite app: (sandbox, what template/start said). npm runs once for all tests."""
    with client.create(template_id="vite-react", timeout_sec=1800) as sandbox:
        for path, text in vite.files("first text").items():
            sandbox.write(f"/workspace/{path}", text)
        body = {"install": True, "start_timeout_sec": 120}
        reply = client.post(f"{sandbox.path}/template/start", body, timeout=700)
        yield sandbox, checked(reply)["data"]


@pytest.fixture(scope="module")
def driver(app):
    _, started = app
    with browser(urllib.parse.urlsplit(started["preview_url"]).port) as made:
        yield made


def heading(driver):
    return driver.execute_script("return document.querySelector('h1')?.textContent")


def await_heading(driver, text):
    try:
        wait_until(lambda: heading(driver) == text, 60, f"the heading '{text}'", 0.1)
    except Timeout as timeout:
        told = "\n".join(entry["message"] for entry in driver.get_log("browser"))
        raise AssertionError(f"{timeout}\n{driver.current_url}\n{driver.page_source}\n{told}") from None


def change(sandbox, text):
    sandbox.write("/workspace/src/App.jsx", vite.component(text))


def test_it_is_installed_and_started(app):
    sandbox, started = app
    assert started["status"] == "started" and started["ready"] is True
    assert started["preview_port"] == 5173
    log = sandbox.read(started["logs_path"]).decode()
    assert "added " in log and "VITE" in log


def test_its_page_comes_through_the_preview(app):
    _, started = app
    reply = fetch(started["preview_url"])
    assert reply.status_code == 200 and '<div id="root">' in reply.text
    module = fetch(started["preview_url"] + "/src/App.jsx")
    assert module.status_code == 200 and "javascript" in module.headers["Content-Type"]


def test_its_page_comes_through_the_deployment(app):
    sandbox, _ = app
    deployed = checked(sandbox.client.post(f"{sandbox.path}/deploy", {"name": "vite app"}), 201)
    try:
        reply = fetch(deployed["url"])
        assert reply.status_code == 200 and '<div id="root">' in reply.text
    finally:
        checked(sandbox.client.delete(f"/deployments/{deployed['deployment_id']}"))
    assert fetch(deployed["url"]).status_code == 404


def test_a_browser_shows_a_change_without_reloading(app, driver):
    sandbox, started = app
    change(sandbox, "first text")
    driver.get(started["preview_url"])
    await_heading(driver, "first text")
    driver.execute_script("window.before = 'still here'")
    change(sandbox, "second text")
    await_heading(driver, "second text")
    assert driver.execute_script("return window.before") == "still here"


def test_a_browser_sees_hot_reload_through_a_deployment(app, driver):
    sandbox, _ = app
    change(sandbox, "third text")
    deployed = checked(sandbox.client.post(f"{sandbox.path}/deploy", {"name": "vite app"}), 201)
    try:
        driver.get(deployed["url"])
        await_heading(driver, "third text")
        driver.execute_script("window.before = 'still here'")
        change(sandbox, "fourth text")
        await_heading(driver, "fourth text")
        assert driver.execute_script("return window.before") == "still here"
    finally:
        checked(sandbox.client.delete(f"/deployments/{deployed['deployment_id']}"))


def test_a_browser_opens_a_private_preview_by_its_link_once(app, driver):
    """The link's token becomes a cookie, so that the page's scripts and its WebSocket get in as well."""
    sandbox, started = app
    for preview in checked(sandbox.client.get(f"{sandbox.path}/previews"))["data"]:
        checked(sandbox.client.delete(f"{sandbox.path}/previews/{preview['id']}"))
    made = checked(sandbox.client.post(f"{sandbox.path}/previews", {"port": 5173}), 201)["data"]
    assert fetch(started["preview_url"]).status_code == 401
    change(sandbox, "fifth text")
    driver.get(made["share_url"])
    await_heading(driver, "fifth text")
    driver.execute_script("window.before = 'still here'")
    change(sandbox, "sixth text")
    await_heading(driver, "sixth text")
    assert driver.execute_script("return window.before") == "still here"
    checked(sandbox.client.delete(f"{sandbox.path}/previews/{made['id']}"))
    checked(sandbox.client.post(f"{sandbox.path}/expose", {}))


def test_artifacts_of_a_build(app):
    sandbox, _ = app
    sandbox.output("npm run build", timeout=120)
    listed = checked(sandbox.client.get(f"{sandbox.path}/artifacts"))["data"]
    names = [entry["path"] for entry in listed["artifacts"]]
    assert "/workspace/dist/index.html" in names
    assert not any("node_modules" in name for name in names)
