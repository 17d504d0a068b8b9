"""Somebody with a browser: requests to the gateway by the URLs that the API gives."""

import urllib.parse

import requests


class Visitor:
    """Connects to the instance's gateway whatever the host name in the URL is; keeps cookies by host as a browser does."""

    def __init__(self, instance):
        self.address = instance.environment["ATOLL_GATEWAY"]
        self.cookies = {}

    def request(self, method, url, headers=None, **options):
        parts = urllib.parse.urlsplit(url)
        target = f"http://{self.address}{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        jar = self.cookies.setdefault(parts.hostname, {})
        options.setdefault("timeout", 30)
        options.setdefault("allow_redirects", False)
        sent = {"Host": parts.netloc, "Accept": "*/*", **(headers or {})}
        if jar:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        with requests.Session() as session:
            session.trust_env = False
            reply = session.request(method, target, headers=sent, **options)
            jar.update(reply.cookies.get_dict())
        return reply

    def get(self, url, **options):
        return self.request("GET", url, **options)

    def post(self, url, **options):
        return self.request("POST", url, **options)

    def page(self, url, **options):
        """The text of a page that must be there."""
        reply = self.get(url, **options)
        assert reply.status_code == 200, f"{url}: {reply.status_code} {reply.text[:300]}"
        return reply.text

    def refused(self, url, method="GET", **options):
        """The error code of the gateway's own answer."""
        reply = self.request(method, url, **options)
        assert reply.status_code >= 400, f"{url}: {reply.status_code} {reply.text[:300]}"
        return reply.json()["error"]["code"]
