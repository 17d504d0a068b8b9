"""A file system of its own for an instance, small enough to be filled."""

import contextlib
import os
import shutil
import subprocess

from harness import paths

SIZE_BYTES = 5 << 30
RESERVE_MB = 1


def mount_new(image, directory, size_bytes):
    """Makes a file system in a file and mounts it."""
    with image.open("wb") as file:
        file.truncate(size_bytes)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, directory], check=True)


class SmallDisk:
    """Below it: images/, a copy of what machines are made of, on the same file system as everything else."""

    def __init__(self, root):
        self.image = root / "small.img"
        self.directory = root / "small"
        self.filler = self.directory / "filler"

    def __enter__(self):
        self.directory.mkdir(mode=0o711)
        mount_new(self.image, self.directory, SIZE_BYTES)
        self.directory.chmod(0o711)
        self._copy_images()
        return self

    def _copy_images(self):
        images = self.directory / "images"
        images.mkdir()
        for source in (paths.IMAGES / ".guest", paths.IMAGES / "miosa-sandbox"):
            target = images / source.name
            target.mkdir()
            for file in source.iterdir():
                if file.is_file():
                    subprocess.run(["cp", "-a", "--sparse=always", file, target], check=True)
        (images / "miosa-sandbox" / "rootfs").mkdir()
        subprocess.run(
            ["mount", "--bind", paths.IMAGES / "miosa-sandbox" / "rootfs", images / "miosa-sandbox" / "rootfs"],
            check=True,
        )

    def __exit__(self, *_):
        for place in (self.directory / "images" / "miosa-sandbox" / "rootfs", self.directory):
            subprocess.run(["umount", place], check=False)
        self.image.unlink()
        shutil.rmtree(self.directory, ignore_errors=True)

    def fill(self):
        """Leaves next to nothing."""
        with self.filler.open("wb") as file:
            step = 1 << 30
            while step >= 4096:
                try:
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), step)
                except OSError:
                    step //= 2

    def free(self):
        with contextlib.suppress(FileNotFoundError):
            self.filler.unlink()
