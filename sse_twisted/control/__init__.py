"""What an operator may see and do: commands, reports of devices, explanations, health and metrics.

The console and the board use it and never reach past it. It knows every room below; it formats nothing for a screen.
Begin with `commands.py`.
"""
