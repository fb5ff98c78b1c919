"""An exFAT disk of its own, as most sticks are, for tests that run as root."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.fuse import FuseServer, server_of


def exfat_at(folder: Path, image: Path) -> Iterator[FuseServer]:
    """Put an empty exFAT disk at a folder; yield its server."""
    needed = ("mkfs.exfat", "mount.exfat-fuse", "losetup", "umount")
    if os.geteuid() != 0 or not all(map(shutil.which, needed)):
        pytest.skip(f"only root can mount a disk, with {', '.join(needed)}")
    with image.open("wb") as file:
        file.truncate(64_000_000)
    subprocess.run(["mkfs.exfat", image], check=True, capture_output=True)
    looped = subprocess.run(["losetup", "-f", "--show", image], check=False, capture_output=True, text=True)
    if looped.returncode:
        pytest.skip(f"no loop device: {looped.stderr}")
    loop = looped.stdout.strip()
    try:
        mounted = subprocess.run(
            ["mount.exfat-fuse", "-o", "nonempty", loop, folder], check=False, capture_output=True, text=True
        )
        if mounted.returncode:
            pytest.skip(f"exFAT cannot be mounted: {mounted.stderr}")
        server = FuseServer.of(server_of("mount.exfat-fuse", loop), folder, image.with_name("fuse"))
        try:
            yield server
        finally:
            server.answer()
            subprocess.run(["umount", "-l", folder], check=False)
    finally:
        subprocess.run(["losetup", "-d", loop], check=False)
