"""A host's name as it is typed → the ASCII name that is looked up (UTS 46, non-transitional).

As browsers have it: ß, ς and the joiners are letters of their own, as IDNA 2008 says, so that
faß.de is not fass.de, which may belong to somebody else. Python's own codec is of IDNA 2003.
"""

import re

_DOTS = "\N{IDEOGRAPHIC FULL STOP}\N{FULLWIDTH FULL STOP}\N{HALFWIDTH IDEOGRAPHIC FULL STOP}"
_MAX_LABEL, _MAX_NAME = 63, 253  # RFC 1035, 2.3.4, without the final dot
_PREFIX = "xn--"
_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")


def ascii_name(host: str) -> str:
    """Return a name in ASCII, in small letters and without a final dot.

    An IPv4 address, in whatever digits, comes out in those of ASCII. ValueError unless it is one
    that can be looked up.

    >>> ascii_name("Faß.DE."), ascii_name("１２７。０。０。１")
    ('xn--fa-hia.de', '127.0.0.1')
    """
    if not host.isascii():
        import idna

        try:
            host = idna.uts46_remap(host, std3_rules=False, transitional=False)
        except idna.IDNAError as exc:
            raise ValueError(str(exc)) from exc
    host = host.lower().removesuffix(".")
    name = ".".join(map(_ascii_label, host.split(".")))
    if len(name) > _MAX_NAME or not _NAME.fullmatch(name):
        raise ValueError("no name of a host")
    return name


def _ascii_label(label: str) -> str:
    """Return one label; ValueError if it is too long, or not valid in Unicode."""
    if not label.isascii():
        _check(label)
        label = _PREFIX + label.encode("punycode").decode("ascii")
    elif label.startswith(_PREFIX):
        _check(_decoded(label))
    if not 0 < len(label) <= _MAX_LABEL:
        raise ValueError("a label that is empty or too long")
    return label


def _decoded(label: str) -> str:
    """Return the Unicode of a label in Punycode; ValueError unless both stand for each other."""
    import idna

    text = label.removeprefix(_PREFIX).encode("ascii").decode("punycode")
    try:
        mapped = idna.uts46_remap(text, std3_rules=False, transitional=False)
    except idna.IDNAError as exc:
        raise ValueError(str(exc)) from exc
    if not text or text.isascii() or mapped != text or "." in text:
        raise ValueError(f"{label} stands for nothing")
    return text


def _check(label: str) -> None:
    """Raise ValueError unless a mapped label is valid (UTS 46, 4.1).

    Not `idna.check_label`: that refuses what IDNA 2008 does and browsers do not, such as emoji.
    """
    import idna

    try:
        idna.check_nfc(label)
        idna.check_initial_combiner(label)
        idna.check_bidi(label)
        for place, letter in enumerate(label):
            joins = letter in "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
            if joins and not idna.valid_contextj(label, place):
                raise ValueError("a joiner that joins nothing")
    except idna.IDNAError as exc:
        raise ValueError(str(exc)) from exc
