"""The state of a training ↔ a file, replaced in one step, for the same settings only."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from app.errors import StorageError, UsageError
from app.values.files import replacing


@dataclass(frozen=True)
class Checkpoint:
    """The place of a training's state, and the settings that it belongs to (plain JSON values)."""

    path: Path
    settings: dict[str, Any]

    def save(self, state: dict[str, Any]) -> None:
        """Write tensors and plain values; killed at any moment, the file before stays.

        StorageError if the disk cannot take it.
        """
        kept = {"settings": json.dumps(self.settings, sort_keys=True), "state": state}
        write_whole(self.path, lambda part: torch.save(kept, part))

    def load(self) -> dict[str, Any] | None:
        """Return the state saved last, or None; UsageError: it has other settings or is damaged."""
        if not self.path.is_file():
            return None
        try:
            # weights_only: a pickle may run code, tensors may not.
            kept = torch.load(self.path, weights_only=True)
            settings, state = json.loads(kept["settings"]), kept["state"]
        except Exception as exc:  # torch and pickle share no error class
            raise UsageError(
                f"The checkpoint {self.path} cannot be read: add --restart to begin anew."
            ) from exc
        if other := [
            f"{key} {settings.get(key)!r}, not {value!r}"
            for key, value in self.settings.items()
            if settings.get(key) != value
        ]:
            raise UsageError(
                f"The checkpoint {self.path} is of a training with other settings "
                f"({'; '.join(other)}): run it with those, or add --restart to begin anew."
            )
        return dict(state)

    def remove(self) -> None:
        """Delete the file if it is there."""
        self.path.unlink(missing_ok=True)


def write_whole(path: Path, write: Any) -> None:
    """Let `write` fill a file beside `path`, then put it in its place in one rename.

    StorageError if the disk cannot take it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as new:
            write(new)
            with new.open("rb") as file:
                os.fsync(file.fileno())
    except (OSError, RuntimeError) as exc:  # torch raises RuntimeError on a full disk
        reason = getattr(exc, "strerror", None) or str(exc).splitlines()[0]
        raise StorageError(
            f"{path} cannot be written ({reason}): make room, or name another place with --out; "
            "the same command goes on after the last epoch kept."
        ) from exc
