"""kill -9 of atolld while previews, deployments and domains change: what was acknowledged holds, nothing is half there."""

import re
import signal

import pytest
import requests

from harness import paths
from harness.client import ApiError
from harness.expect import checked
from harness.served import serve
from harness.visitor import Visitor
from harness.wait import wait_until

pytestmark = pytest.mark.skipif(
    not paths.has_fault_points(), reason="no fault points in this build: ATOLL_BUILD=build-asan has them"
)

LABEL = re.compile(r'FAULT_POINT\("((?:preview|preview_token|preview_domain|deployment|domain)\.[^"]+)"\)')
LABELS = sorted(
    label for file in (paths.SOURCE / "src/gateway").glob("*.c") for label in LABEL.findall(file.read_text())
)


@pytest.fixture(scope="module")
def faulty(factory):
    instance = factory.make(spare_slots=2).start()
    yield instance
    instance.start()
    factory.end(instance)


class Publishing:
    """Does all that publishing knows, twice: what it made first goes again. Remembers what was acknowledged."""

    def __init__(self, client, sandbox):
        self.client, self.sandbox = client, sandbox
        self.there, self.gone = [], []
        self.has_preview_domain = None  # nobody said

    def run(self):
        try:
            self._steps()
        except (ApiError, requests.RequestException):
            pass

    def _post(self, path, **body):
        return self.client.ok(self.client.post(path, body))

    def _delete(self, path):
        self.there.remove(path)
        self.client.ok(self.client.delete(path))
        self.gone.append(path)

    def _steps(self):
        box = self.sandbox.path
        preview = self._post(f"{box}/previews", port=3000)["data"]["id"]
        self.there.append(f"{box}/previews/{preview}")
        share = self._post(f"{box}/shares")["share_id"]
        deployment = self._post(f"{box}/deploy", name="x", port=3000)["id"]
        self.there.append(f"/deployments/{deployment}")
        self._post("/domains", hostname="faulty.example.org", deployment_id=deployment)
        self.there.append("/domains/faulty.example.org")
        self.client.ok(self.client.put("/tenant/preview-domain", json={"domain": "faulty.example.net"}))
        self.has_preview_domain = True
        self.client.ok(self.client.delete(f"{box}/shares/{share}"))
        self.has_preview_domain = None
        self.client.ok(self.client.delete("/tenant/preview-domain"))
        self.has_preview_domain = False
        self._delete("/domains/faulty.example.org")
        self._delete(f"/deployments/{deployment}")
        self._delete(f"{box}/previews/{preview}")


def killed(instance):
    wait_until(lambda: not instance.api.running(), 10, "atolld to be killed")
    return instance.api.wait() == -signal.SIGKILL


@pytest.mark.parametrize("label", LABELS)
def test_kill_at(faulty, label):
    faulty.start()
    wait_until(faulty.connected, 30, "atolld to find atoll-host")
    client, visitor = faulty.client(), Visitor(faulty)
    sandbox = client.create()
    serve(sandbox, 3000)
    kept = checked(client.post(f"{sandbox.path}/deploy", {"name": "kept", "port": 3000}), 201)

    faulty.api.stop()
    faulty.start_api(label)
    wait_until(faulty.connected, 30, "atolld to find atoll-host")
    publishing = Publishing(client, sandbox)
    publishing.run()
    assert killed(faulty), f"the step {label} was not reached"
    faulty.start()
    wait_until(faulty.connected, 30, "atolld to find atoll-host")

    assert '"server": "one"' in visitor.page(kept["url"])
    for path in publishing.there:
        assert client.get(path).status_code == 200, path
    for path in publishing.gone:
        assert client.get(path).status_code == 404, path
    status = checked(client.get("/tenant/preview-domain"))["data"]["status"]
    if publishing.has_preview_domain is not None:
        assert status == ("pending_dns" if publishing.has_preview_domain else "not_configured")
    checked(client.delete("/tenant/preview-domain"))
    # what nobody heard of is there wholly, and can be ended
    for each in checked(client.get(f"{sandbox.path}/previews"))["data"]:
        checked(client.delete(f"{sandbox.path}/previews/{each['id']}"))
    for each in checked(client.get("/domains"))["data"]:
        checked(client.delete(f"/domains/{each['hostname']}"))
    for each in checked(client.get("/deployments"))["data"]:
        if each["sandbox_id"] == sandbox.id and each["id"] != kept["id"]:
            assert '"server": "one"' in visitor.page(each["url"])
        checked(client.delete(f"/deployments/{each['id']}"))
    sandbox.destroy()
