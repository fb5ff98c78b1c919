"""The settings of a run, by the configuration and the options that overrule it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec.structs import replace

from sse_twisted.config.server_json import read_original_settings
from sse_twisted.config.settings import Settings, SettingsError, read_settings
from sse_twisted.copies.identity import nesting
from sse_twisted.copies.source import CONFIGURATION


def load_settings(config: str | None, event: str | None, copies: Sequence[str] = ()) -> Settings:
    """Return the settings of a file, or the defaults; raises SettingsError, also if there is no event folder.

    `copies` are the folders of --copy.
    """
    settings = read_configuration(config, event)
    is_copied = config is not None and str(Path(config).parent).endswith(f"/{CONFIGURATION}")
    own = () if is_copied else settings.copies.folders  # in a copy they are those of another computer
    folders = tuple(dict.fromkeys((*own, *copies)))
    settings = replace(settings, copies=replace(settings.copies, folders=folders))
    if not settings.event.folder:
        where = f"{config}: event.folder is not set" if config else "no event folder"
        raise SettingsError(f"{where}: pass --event DIR{'' if config else ' or --config FILE'} (--demo needs neither)")
    if problem := copies_problem(settings):
        raise SettingsError(problem)
    return settings


def read_configuration(config: str | None, event: str | None) -> Settings:
    """Return the settings of a file, or the defaults, with the event folder of --event; raises SettingsError."""
    settings = Settings()
    if config is not None:
        file = Path(config).absolute()
        settings = read_original_settings(file) if file.suffix.lower() == ".json" else read_settings(file)
    if event == "":
        raise SettingsError("--event is empty: pass the path of the event folder")
    if event is not None:
        settings = replace(settings, event=replace(settings.event, folder=str(Path(event).absolute())))
    return settings


def copies_problem(settings: Settings, real: Callable[[str], str] = os.path.abspath) -> str:
    """Return why folders cannot be copies, "" if they can. Asks no disk, unless `real` does."""
    event, folders = Path(real(settings.event.folder)), settings.copies.folders
    if settings.copies.required and not folders:
        problem = "copies.required is set, but there is no copy"
        return f"{problem}: set copies.folders, pass --copy DIR, or set copies.required to false"
    paths = {folder: Path(real(folder)) for folder in folders}
    for folder, path in paths.items():
        if not folder:
            return "--copy is empty: pass the path of a folder on another disk"
        if problem := nesting(event, path):
            return f"copy {folder}: {problem}; name a folder on another disk"
        for other, path_of_other in paths.items():
            if other != folder and path == path_of_other:
                return f"copies {other} and {folder} are the same folder: name two"
            if other != folder and path.is_relative_to(path_of_other):
                return f"copies {other} and {folder} are in each other: name two folders"
    return ""
