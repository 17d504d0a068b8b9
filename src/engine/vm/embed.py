"""Writes a file as a C source: embed.py OUTPUT INPUT."""

import sys

output, path = sys.argv[1:]
with open(path, "rb") as source:
    data = source.read()
with open(output, "w", encoding="ascii") as target:
    target.write('#include "engine/vm/preload.h"\n\nconst unsigned char preload_library[] = {\n')
    for start in range(0, len(data), 32):
        target.write(",".join(map(str, data[start : start + 32])) + ",\n")
    target.write(f"}};\nconst size_t preload_library_length = {len(data)};\n")
