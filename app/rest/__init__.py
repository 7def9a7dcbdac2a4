"""The doors for programs over HTTP: searches, galleries and pictures, health and measurements."""

from app.rest.application import RestRoutes, make_rest
from app.rest.tell import told

__all__ = ["RestRoutes", "make_rest", "told"]
