"""The doors for programs over HTTP: searches, galleries and pictures, health and measurements."""

from app.doors.rest.application import (
    FIRST_PARTS,
    CountingDoors,
    RestRoutes,
    costs_little,
    make_rest,
)
from app.doors.rest.problem_responses import refusal

__all__ = ["FIRST_PARTS", "CountingDoors", "RestRoutes", "costs_little", "make_rest", "refusal"]
