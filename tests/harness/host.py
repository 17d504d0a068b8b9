"""Requests to atoll-host, past atolld: for what HTTP cannot ask for, or not at that moment."""

import re
import secrets
import socket
import struct

from harness import paths


def _enum(text, name):
    """The members of an enum in a header, in the order of their numbers, which begin with 1 or 0."""
    body = re.search(rf"enum {name} \{{(.*?)\n\}};", text, re.DOTALL)[1]
    names = re.findall(r"^\s*([A-Z_]+)( = 1)?,", re.sub(r"/\*.*?\*/", "", body, flags=re.DOTALL), re.MULTILINE)
    return {name: number for number, (name, _) in enumerate(names, 1)}


_PROTOCOL = (paths.SOURCE / "src/wire/host_protocol.h").read_text()
OPERATIONS = _enum(_PROTOCOL, "host_operation")
TAGS = _enum(_PROTOCOL, "host_tag")
ERRORS = ["ERR_NONE", *re.findall(r"X\((ERR_\w+),", (paths.SOURCE / "src/base/error.h").read_text())]
ERRORS.remove("ERR_NONE") if ERRORS.count("ERR_NONE") > 1 else None
TEXTS = {f"HOST_{name}" for name in (
    "ERROR_MESSAGE", "ID", "SNAPSHOT_ID", "DIGEST", "AGENT_SOCKET", "BOOT_PATH", "ENGINE", "ISOLATION", "ACCEL",
    "TEMPLATE", "REASON", "ENGINE_PROBLEM", "MEMORY_PROBLEM", "CONSOLE",
)}
NESTED = {"HOST_SANDBOX", "HOST_ENGINE_INFO", "HOST_POOL"}


class HostError(Exception):
    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


def new_id(prefix):
    return prefix + "0" + "".join(secrets.choice("0123456789abcdefghjkmnpqrstvwxyz") for _ in range(25))


def _field(name, value):
    data = struct.pack("<q", value) if isinstance(value, int) else value.encode()
    return struct.pack("<HI", TAGS[name], len(data)) + data


def _fields(packet):
    names = {number: name for name, number in TAGS.items()}
    while packet:
        tag, length = struct.unpack_from("<HI", packet)
        data, packet = packet[6 : 6 + length], packet[6 + length :]
        name = names.get(tag)
        if name in TEXTS:
            yield name, data.decode()
        elif name in NESTED:
            yield name, _plain(_fields(data))
        elif len(data) == 8:
            yield name, struct.unpack("<q", data)[0]


def _plain(fields):
    return {name.removeprefix("HOST_").lower(): value for name, value in fields}


class Call:
    """One request under way; result() waits for its answer."""

    def __init__(self, instance, operation, **fields):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(120)
        self.socket.connect(str(instance.state / "run" / "host.sock"))
        packet = _field("HOST_OPERATION", OPERATIONS[f"HOST_OP_{operation}"])
        packet += b"".join(_field(f"HOST_{name.upper()}", value) for name, value in fields.items())
        self.socket.send(packet)

    def fields(self):
        with self.socket:
            found = list(_fields(self.socket.recv(65536)))
        answer = dict(found)
        if answer["HOST_ERROR_CODE"] != 0:
            raise HostError(ERRORS[answer["HOST_ERROR_CODE"]], answer["HOST_ERROR_MESSAGE"])
        return found

    def result(self):
        return _plain(self.fields())


def ask(instance, operation, **fields):
    return Call(instance, operation, **fields).result()


def start_snapshot(instance, sandbox_id, snapshot_id=None, template="miosa-sandbox"):
    snapshot_id = snapshot_id or new_id("snp_")
    call = Call(instance, "SNAPSHOT", id=sandbox_id, snapshot_id=snapshot_id, template=template)
    call.snapshot_id = snapshot_id
    return call


def snapshot(instance, sandbox_id, snapshot_id=None):
    """Takes one; the answer has its id as snapshot_id."""
    call = start_snapshot(instance, sandbox_id, snapshot_id)
    return call.result() | {"snapshot_id": call.snapshot_id}


def all_of(instance, operation, name):
    """The nested fields of a list that fits one packet: engines (HELLO), pools (POOL_STATUS)."""
    return [value for found, value in Call(instance, operation).fields() if found == f"HOST_{name}"]


def snapshots(instance):
    found, more = [], True
    while more:
        after = {"after": found[-1]} if found else {}
        page = Call(instance, "SNAPSHOT_LIST", **after).fields()
        found += [value for name, value in page if name == "HOST_SNAPSHOT_ID"]
        more = ("HOST_MORE", 1) in page
    return found
