"""Hand-ins: tracks of other devices that somebody brings, from the first byte to their place in `gpslogs`.

It knows the event folder, tracks and the configuration; nothing above them. Begin with `service.py`, which takes a file
through all steps: `intake.py` keeps it, `register.py` notes it, `examination.py` reads it, `matching.py` says whose it
is, `filing.py` gives it its name. `ledger.py` remembers each step.
"""
