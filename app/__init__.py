"""Reverse image search on one's own machine: folders → galleries, a picture → its neighbours."""

__version__ = "0.1.0"
