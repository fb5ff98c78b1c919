"""What twistd runs: the command lines, the assembly of all services, the demo and `--check`.

Only this room imports from all others. Begin with `tap.py`, then `collector.py`, which builds the tree of services.
"""
