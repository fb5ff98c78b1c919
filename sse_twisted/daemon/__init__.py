"""What twistd runs: the command lines, the assembly of all services, the demo and `--check`.

The only room that knows every other room. Begin with `tap.py`, then `collector.py`, which builds the tree of services.
"""
