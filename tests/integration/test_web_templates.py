"""Templates with the frameworks that they are for, from npm."""

import urllib.parse

import pytest
import requests

from harness.expect import checked

NEXT = {
    "package.json": '{"name": "app", "private": true, "scripts": {"dev": "next dev"}, '
                    '"dependencies": {"next": "14.2.33", "react": "18.3.1", "react-dom": "18.3.1"}}',
    "app/layout.js": "export default function Layout({ children }) { return <html><body>{children}</body></html> }",
    "app/page.js": "export default function Page() { return <h1>{'made by ' + 'next'}</h1> }",
}
VITE = {
    "package.json": '{"name": "app", "private": true, "scripts": {"dev": "vite"}, "devDependencies": {"vite": "6.4.1"}}',
    "index.html": "<h1>made by vite</h1>",
}


def fetch(url):
    parts = urllib.parse.urlsplit(url)
    with requests.Session() as session:
        session.trust_env = False
        address = parts._replace(netloc=f"127.0.0.1:{parts.port}").geturl()
        return session.get(address, headers={"Host": parts.netloc}, timeout=120)


def start(sandbox, files):
    for path, text in files.items():
        sandbox.write(f"/workspace/{path}", text)
    body = {"install": True, "start_timeout_sec": 180}
    return checked(sandbox.client.post(f"{sandbox.path}/template/start", body, timeout=800))["data"]


@pytest.fixture
def elsewhere(fresh_instance):
    """A client of an instance whose pages are not under localhost."""
    return fresh_instance(domain="sandboxes.example").client()


def test_next_serves_a_page_made_on_the_server(make_sandbox):
    app = start(make_sandbox(template_id="nextjs", timeout_sec=1800), NEXT)
    assert app["ready"] is True and app["preview_port"] == 3000
    reply = fetch(app["preview_url"])
    assert reply.status_code == 200 and "<h1>made by next</h1>" in reply.text


def test_vite_answers_under_the_domain_of_the_instance(elsewhere):
    """Vite refuses names that nobody told it."""
    with elsewhere.create(template_id="vite-react", timeout_sec=1800) as sandbox:
        app = start(sandbox, VITE)
        assert app["ready"] is True
        assert ".sandbox.sandboxes.example:" in app["preview_url"]
        reply = fetch(app["preview_url"])
        assert reply.status_code == 200 and "made by vite" in reply.text
