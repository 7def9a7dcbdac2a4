"""Vectors and indexes → the figures of the notebooks; they name matplotlib."""
