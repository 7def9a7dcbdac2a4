"""A study's folder → what it says: tables, plots and a recommendation, as Markdown and HTML."""
