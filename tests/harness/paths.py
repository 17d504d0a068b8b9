"""Where the programs under test and the template image are."""

import json
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


def _build_option(name):
    options = BUILD / "meson-info" / "intro-buildoptions.json"
    found = json.loads(options.read_text()) if options.exists() else []
    return next((option["value"] for option in found if option["name"] == name), None)


def is_sanitized():
    return _build_option("b_sanitize") not in (None, "none")


def has_fault_points():
    return _build_option("fault_points") is True


def install(target):
    """Copies programs and templates to where every user can read them; returns the directory of programs."""
    programs = target / "bin"
    programs.mkdir(mode=0o755)
    for name in PROGRAMS:
        shutil.copy(built(name), programs / name)
    shutil.copytree(SOURCE / "templates", target / "templates", ignore=shutil.ignore_patterns("images"))
    return programs
