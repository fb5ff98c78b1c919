"""Settings, the roster, and the versions of both that apply now.

May import `devices/` and `runtime/`. Begin with `settings.py`; all services read `live.py` at each use.
"""
