"""A file's path → that file in the file manager of the machine on which the server runs."""

import os
import sys
import threading
from pathlib import Path

from app.errors import UsageError

_SHOWING = threading.Lock()  # the library keeps what it is about to show in one object for all


def show_file(path: Path) -> None:
    """Show a file in its folder, selected where the file manager can do that; nobody waits for it.

    UsageError where no file manager is found, or it does not start.
    """
    try:
        # As an address, of which every character that means something to a command line is
        # encoded; and of the file itself: of a path the library would follow the links.
        shown = _shown(path.absolute().as_uri())
    except Exception as exc:  # the library raises just that, and the errors of Windows
        raise UsageError(
            f"The file manager did not start ({exc or type(exc).__name__}): open the folder of "
            f"{path} by hand."
        ) from exc
    if not shown:
        raise UsageError(
            f"No file manager was found on the server's machine: open the folder of {path} by hand."
        )


def _shown(address: str) -> bool:
    """Show a file; return False where there is no file manager."""
    # Imported when first used: it looks for the desktop.
    from showinfm.showinfm import show_in_file_manager, valid_file_manager
    from showinfm.system import is_wsl

    # It would start programs to find a file manager where no window can open. In the Linux of
    # Windows (WSL) that of Windows opens, without a display.
    displays = ("DISPLAY", "WAYLAND_DISPLAY")
    if sys.platform == "linux" and not is_wsl and not any(map(os.environ.get, displays)):
        return False
    with _SHOWING:
        if not valid_file_manager():
            return False
        show_in_file_manager(address)
        return True
