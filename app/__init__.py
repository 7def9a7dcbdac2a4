"""Reverse image search on one's own machine: folders of pictures become galleries, a picture becomes its neighbours."""

__version__ = "0.1.0"
