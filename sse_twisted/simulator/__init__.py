"""A fleet of devices on loopback, for the demo, tests and load. Speaks the device's language from the other side."""
