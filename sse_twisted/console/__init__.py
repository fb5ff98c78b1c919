"""The Manhole console: looking inside the running collector by telnet or SSH, and steering it."""
