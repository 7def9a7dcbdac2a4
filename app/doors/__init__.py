"""The doors: how people and programs search. No door imports another; all use the service."""
