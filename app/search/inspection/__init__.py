"""The pictures of a folder or a gallery → what there is to know before one searches them."""

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
