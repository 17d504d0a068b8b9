"""Joins the OpenAPI document BASE with the PARTS, each {"paths": …, "components": {KIND: …}, "tags": […]}, and writes it,
made compact, as a C source: embed.py OUTPUT BASE PART..."""

import json
import sys


def load(path):
    with open(path, encoding="utf-8") as source:
        return json.load(source)


def add(into, more, where):
    for name, value in more.items():
        if name in into:
            sys.exit(f"{where}: {name} is defined twice")
        into[name] = value


output, base, *parts = sys.argv[1:]
document = load(base)
for path in parts:
    part = load(path)
    add(document["paths"], part.get("paths", {}), path)
    for kind, members in part.get("components", {}).items():
        add(document["components"].setdefault(kind, {}), members, path)
    document["tags"] += part.get("tags", [])

data = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
with open(output, "w", encoding="ascii") as target:
    target.write('#include "api/openapi.h"\n\nconst char openapi_document[] = {\n')
    for start in range(0, len(data), 32):
        target.write(",".join(str(byte - 256 if byte > 127 else byte) for byte in data[start : start + 32]) + ",\n")
    target.write(f"}};\nconst size_t openapi_document_length = {len(data)};\n")
