"""The pictures of a folder or a gallery → a survey of them, as JSON, text and an HTML report."""

from app.search.inspection.look import Look, Pair, Survey, survey_folder, survey_gallery
from app.search.inspection.report import report
from app.search.inspection.summary import as_json, as_text

__all__ = [
    "Look",
    "Pair",
    "Survey",
    "as_json",
    "as_text",
    "report",
    "survey_folder",
    "survey_gallery",
]
