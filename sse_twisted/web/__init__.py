"""The board, its pages, the API and the event stream.

It imports from `control/` and the rooms below, never from `daemon/`. Begin with `service.py`, then `board.py` and
`pages.py`.
"""
