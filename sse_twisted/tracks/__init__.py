"""What is inside a track: format, integrity, speeds. Pure functions on bytes and arrays; only `command` does I/O."""
