"""The errors of commands."""


class CommandError(Exception):
    """A command that cannot be executed; the message is one line."""


class NotFound(CommandError):
    """Something that is named in a command and does not exist."""


class UnknownDevice(NotFound):
    """A device that is not on the roster and was never seen."""
