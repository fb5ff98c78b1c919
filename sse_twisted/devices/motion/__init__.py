"""The Motion GPS logger: its driver, the shapes of its answers, what is expected of it. Begin with `driver.py`."""
