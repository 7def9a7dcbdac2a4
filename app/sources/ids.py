"""An id that somebody else gave a picture → whether a gallery can know the picture by it."""

import unicodedata

_MOST_CHARACTERS = 200
_TAKEN_ENDINGS = ("/image", "/thumbnail", "/similar")


def fault_of(key: str) -> str:
    """Return what is wrong with an id, to stand after "has" or "have"; '' if it can be one."""
    if not is_text(key):
        return "an id that is not valid UTF-8"
    if not key.strip():
        return "no id"
    if key in (".", ".."):
        return 'the id "." or "..", which no address can hold'
    if any(unicodedata.category(letter) == "Cc" for letter in key):
        return "an id with a control character, such as a line's end in it"
    if len(key) > _MOST_CHARACTERS:
        return f"an id of more than {_MOST_CHARACTERS} characters"
    if key.endswith(_TAKEN_ENDINGS):
        return f"an id that ends in {', '.join(_TAKEN_ENDINGS)}, which addresses end in"
    return ""


def is_text(text: str) -> bool:
    """Return whether a text can be written as UTF-8: half a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
