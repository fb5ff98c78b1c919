"""The Motion GPS: the shapes of its answers, and what is expected of it.

Begin with `messages.py`.
"""
