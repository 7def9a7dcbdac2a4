"""The doors for programs over HTTP: searches, galleries and pictures, health and measurements."""

from app.doors.rest.application import CountingDoors, RestRoutes, make_rest
from app.doors.rest.problem_responses import told

__all__ = ["CountingDoors", "RestRoutes", "make_rest", "told"]
