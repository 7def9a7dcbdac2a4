"""A network → features of a batch: one file per runtime."""
