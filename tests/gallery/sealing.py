"""The seal of a manifest, made as the format says and not as the program does."""

import hashlib
import json


def sealed(values: dict[str, object]) -> str:
    """Return a manifest's values as JSON text with their seal, as the format says."""
    values = {key: value for key, value in values.items() if key != "seal"}
    text = json.dumps(values, indent=1, sort_keys=True)
    seal = hashlib.sha256(text.encode()).hexdigest()
    return json.dumps(values | {"seal": seal}, indent=1, sort_keys=True)
