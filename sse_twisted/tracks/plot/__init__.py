"""A picture of a track as SVG. Begin with `picture.py`."""
