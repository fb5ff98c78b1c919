"""The board, its pages, the API and the event stream.

It may know `control/` and the values that it returns. Begin with `service.py`, then `board.py` and `pages.py`.
"""
