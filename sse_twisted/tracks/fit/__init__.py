"""FIT: what watches store (Garmin, COROS, Suunto, Timex). Begin with `decoding.py`.

`reading.py` alone knows the library fitdecode. `worker.py` runs it in a process of its own, since it is pure Python:
it would hold the interpreter for seconds.
"""
