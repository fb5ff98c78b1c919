"""The Motion GPS logger. Begin with `driver.py`; `messages.py` has the shapes of its answers, of all known firmwares."""
