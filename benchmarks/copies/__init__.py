"""How well copies are found: photographs are edited, searched for and counted."""
