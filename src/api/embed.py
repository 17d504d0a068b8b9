"""Writes the JSON document INPUT, made compact, as a C source OUTPUT: embed.py INPUT OUTPUT"""

import json
import sys

with open(sys.argv[1], encoding="utf-8") as source:
    text = json.dumps(json.load(source), separators=(",", ":"), ensure_ascii=False)

data = text.encode()
with open(sys.argv[2], "w", encoding="ascii") as target:
    target.write('#include "api/openapi.h"\n\nconst char openapi_document[] = {\n')
    for start in range(0, len(data), 32):
        target.write(",".join(str(byte - 256 if byte > 127 else byte) for byte in data[start : start + 32]) + ",\n")
    target.write(f"}};\nconst size_t openapi_document_length = {len(data)};\n")
