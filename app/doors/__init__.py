"""The doors: how people and programs ask. No door knows another; all ask the search service."""
