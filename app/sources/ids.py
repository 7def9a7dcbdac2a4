"""A picture's id from a list or a shard → whether a gallery can use it."""

import unicodedata

_MAX_CHARACTERS = 200
_RESERVED_ENDINGS = ("/image", "/thumbnail", "/similar")


def fault_of(key: str) -> str:
    """Return the fault of an id, as the object of "has" or "have"; '' if it is valid."""
    if not is_text(key):
        return "an id that is not valid UTF-8"
    if not key.strip():
        return "no id"
    if key in (".", ".."):
        return 'the id "." or "..", which cannot be part of an address'
    if any(unicodedata.category(letter) == "Cc" for letter in key):
        return "an id with a control character, such as a line break"
    if len(key) > _MAX_CHARACTERS:
        return f"an id of more than {_MAX_CHARACTERS} characters"
    if key.endswith(_RESERVED_ENDINGS):
        return f"an id that ends in {', '.join(_RESERVED_ENDINGS)}, as addresses of this server do"
    return ""


def is_text(text: str) -> bool:
    """Return whether a text can be encoded as UTF-8: half a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
