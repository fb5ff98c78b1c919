"""The Motion GPS logger: driver, shapes of its answers, expected values. Begin with `driver.py`."""
