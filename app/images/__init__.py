"""Pictures as bytes and as arrays: fetched, decoded, edited, written small."""
