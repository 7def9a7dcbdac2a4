"""The doors for programs over HTTP: searches, galleries and pictures, health and measurements."""

from app.rest.application import CountingDoors, RestRoutes, make_rest
from app.rest.tell import told

__all__ = ["CountingDoors", "RestRoutes", "make_rest", "told"]
