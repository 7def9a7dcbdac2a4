"""WordNet's nouns → a table of short texts with labels, for a gallery of texts to try.

    python -m lab.wordnet /usr/share/wordnet/data.noun nouns.csv --each 50

The file is of WordNet 3.0 (Princeton University), as Debian's package wordnet-base has it; its
licence lies beside the gallery that is made of the table, in indexes/wordnet-nouns.
"""

import argparse
import csv
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

# The lexicographers' files of nouns, from number 3 on; see lexnames(5WN).
CATEGORIES = (
    *("tops", "act", "animal", "artifact", "attribute", "body", "cognition", "communication"),
    *("event", "feeling", "food", "group", "location", "motive", "object", "person"),
    *("phenomenon", "plant", "possession", "process", "quantity", "relation", "shape", "state"),
    *("substance", "time"),
)
_FIRST = 3
_MOST_WORDS = 3  # of a meaning's synonyms
_FEWEST, _MOST = 15, 120  # characters of a definition


class Noun(NamedTuple):
    """A meaning: its number, its category, and its words with their definition."""

    id: str
    label: str
    text: str


def read_nouns(file: Path) -> Iterator[Noun]:
    """Yield the meanings of a file data.noun whose definition is neither too short nor too long.

    Names, which are written large, are left out.
    """
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("  "):  # the licence
                continue
            head, _, gloss = line.rstrip("\n").partition(" | ")
            fields = head.split(" ")
            words = [word.replace("_", " ") for word in fields[4 : 4 + 2 * int(fields[3], 16) : 2]]
            definition = gloss.partition('; "')[0].strip().rstrip(";")
            if words[0][0].islower() and _FEWEST <= len(definition) <= _MOST:
                label = CATEGORIES[int(fields[1]) - _FIRST]
                yield Noun(fields[0], label, f"{', '.join(words[:_MOST_WORDS])}: {definition}")


def drawn(nouns: Iterator[Noun], each: int, seed: int) -> list[Noun]:
    """Return up to `each` nouns of every category, drawn at random."""
    of_label: dict[str, list[Noun]] = defaultdict(list)
    for noun in nouns:
        of_label[noun.label].append(noun)
    rng = random.Random(seed)
    return [
        noun
        for _, some in sorted(of_label.items())
        for noun in rng.sample(some, min(each, len(some)))
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description="WordNet's nouns as a table of short texts.")
    parser.add_argument("file", type=Path, metavar="data.noun")
    parser.add_argument("table", type=Path, metavar="TABLE.csv")
    parser.add_argument("--each", type=int, default=50, metavar="N", help="of each category")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    options = parser.parse_args(arguments)
    nouns = drawn(read_nouns(options.file), options.each, options.seed)
    with options.table.open("w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table)
        writer.writerow(Noun._fields)
        writer.writerows(nouns)


if __name__ == "__main__":
    main()
