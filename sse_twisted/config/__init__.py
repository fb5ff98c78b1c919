"""Settings, the roster, and what of both is in force now.

It may know devices and `runtime/`. Begin with `settings.py`; `live.py` is what all services read at each use.
"""
