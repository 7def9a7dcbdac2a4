"""Vectors and methods → a folder of measurements; stopped anywhere, it goes on."""
