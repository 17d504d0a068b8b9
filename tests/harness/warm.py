"""Pools of sandboxes that are kept ready, as the operator sees them."""

from harness.wait import wait_until

TEMPLATE = "miosa-sandbox"


class Operator:
    """A client with the operator's key, and what it can do with the pools of a template."""

    def __init__(self, instance, template=TEMPLATE):
        self.client = instance.client(instance.create_key(name="operator", scopes="all,operator"))
        self.path = f"/sandbox-templates/{template}/warm-pool"

    def pools(self):
        return self.client.ok(self.client.get(self.path))["data"]["pools"]

    def pool(self, **shape):
        """The one pool with these members, or None."""
        found = [each for each in self.pools() if shape.items() <= each.items()]
        assert len(found) < 2, found
        return found[0] if found else None

    def set(self, **body):
        return self.client.ok(self.client.put(self.path, json=body))["data"]["pools"]

    def await_ready(self, count, **shape):
        def is_ready():
            pool = self.pool(**shape)
            return pool if pool and pool["ready"] == count and pool["preparing"] == 0 else None

        return wait_until(is_ready, 60, f"{count} sandboxes to be ready")
