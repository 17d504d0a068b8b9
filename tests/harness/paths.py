"""Where the programs under test and the template image are."""

import os
import pathlib
import shutil

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("ATOLL_BUILD", SOURCE / "build")).resolve()
IMAGES = pathlib.Path(os.environ.get("ATOLL_IMAGES", "/var/lib/atoll/images"))
PROGRAMS = ("atoll-host", "atoll-agent", "atolld", "atoll")


def built(name):
    for directory in [*sorted((BUILD / "src").glob("*")), BUILD]:
        if (directory / name).is_file() and os.access(directory / name, os.X_OK):
            return directory / name
    raise FileNotFoundError(f"{name} is not built in {BUILD}: run scripts/build")


def is_sanitized():
    options = BUILD / "meson-info" / "intro-buildoptions.json"
    return options.exists() and '"value": "address,undefined"' in options.read_text()


def install(target):
    """Copies programs and templates to where every user can read them; returns the directory of programs."""
    programs = target / "bin"
    programs.mkdir(mode=0o755)
    for name in PROGRAMS:
        shutil.copy(built(name), programs / name)
    shutil.copytree(SOURCE / "templates", target / "templates", ignore=shutil.ignore_patterns("images"))
    return programs
