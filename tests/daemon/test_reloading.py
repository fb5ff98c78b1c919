from __future__ import annotations

from msgspec.structs import replace

from sse_twisted.config.settings import Event, Settings, SettingsError
from tests.support.event import VirtualEvent


def test_an_invalid_configuration_is_an_error_and_the_previous_one_is_kept(event: VirtualEvent) -> None:
    def read() -> Settings:
        raise SettingsError("sse.toml: scan.interval: Expected `float`, got `str`")

    collector = event.start()
    collector.reloading._read_settings = read
    collector.reload()
    assert event.said("ERROR Invalid configuration, keeping the previous one: sse.toml: scan.interval: Expected")
    assert collector.live.settings == Settings()
    event.stop()


def test_a_new_event_folder_waits_for_the_next_start(event: VirtualEvent) -> None:
    collector = event.start()
    event.settings = replace(event.settings, event=Event(folder="/elsewhere"))
    collector.reload()
    assert event.said("(from the next start on)")
    event.stop()
