"""A file's or folder's name → why a listing passes it over: hidden, or not the user's own."""

HIDDEN = "hidden"
SYSTEM = "kept by the system"
NAS = "kept by a NAS"
PHOTO_LIBRARY = "made by a photo library"
EXCLUDED = "excluded"
DANGLING = "a link to nothing"
PAIRED = "raw, paired with its JPEG"
NOT_A_FILE = "no file or folder"

MOST_SUFFIXES = 20
"""Of files that are not pictures, so many suffixes are counted each for itself."""

# Windows keeps no case apart, so that a share may show these in any.
_OF_WINDOWS = frozenset(
    ("$recycle.bin", "system volume information", "thumbs.db", "ehthumbs.db", "desktop.ini")
)
_OF_UNIX = frozenset(("lost+found", ".DS_Store"))
_BEGINNINGS = ("._", ".Trash")  # what macOS keeps beside a file; .Trashes and .Trash-1000
# Synology's and QNAP's small copies of pictures, their dustbins and their snapshots.
_OF_NAS = frozenset(
    ("@eaDir", "#recycle", "#snapshot", "@Recycle", "@Recently-Snapshot", ".@__thumb", "@__thumb")
)
# Packages of Apple's Photos, iPhoto and Aperture: what the user put into them is in these folders;
# the rest is made of it, small copies above all.
_LIBRARIES = (".photoslibrary", ".photolibrary", ".aplibrary")
_ORIGINALS = frozenset(("originals", "masters"))


def is_photo_library(name: str) -> bool:
    """Return whether a folder of this name is a package of Photos, iPhoto or Aperture.

    >>> is_photo_library("Family.photoslibrary")
    True
    """
    return name.lower().endswith(_LIBRARIES)


def why_passed_over(name: str, *, in_photo_library: bool) -> str:
    """Return why a name is passed over, in few words; '' where it is not.

    `in_photo_library` says that it lies directly in a photo library.

    >>> why_passed_over("Thumbs.DB", in_photo_library=False)
    'kept by the system'
    """
    if name in _OF_NAS:
        return NAS
    if name in _OF_UNIX or name.lower() in _OF_WINDOWS:
        return SYSTEM
    if name.startswith("."):
        return SYSTEM if name.startswith(_BEGINNINGS) else HIDDEN
    if in_photo_library and name.lower() not in _ORIGINALS:
        return PHOTO_LIBRARY
    return ""


def not_a_picture(suffix: str) -> str:
    """Return how a file is counted that is no picture, by its suffix in lower case.

    >>> not_a_picture(".txt"), not_a_picture("")
    ('not a picture (.txt)', 'not a picture (no suffix)')
    """
    return f"not a picture ({suffix or 'no suffix'})"
