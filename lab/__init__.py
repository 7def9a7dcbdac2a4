"""Vectors of a gallery or a file → which model, which index and which parameters, by measurement.

It imports the application, never the other way.
"""
