"""The errors of commands."""


class CommandError(Exception):
    """A command that cannot be executed; the message is one line."""


class UnknownDevice(CommandError):
    """A device that is not on the roster and was never seen."""
