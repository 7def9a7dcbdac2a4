"""A Parquet file → its rows, checked as a whole, and the pictures that are inside it.

The pictures are at URLs, or in a column as Hugging Face's `datasets` writes it: a struct of `bytes`
and `path`. Only a few rows' bytes are in memory at a time.
"""

import contextlib
import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

from app.errors import DatasetError
from app.sources.folder import MOST_UNPACKED_BYTES
from app.sources.ids import fault_of
from app.sources.lists import Columns, Row, check_columns, checked, labels_of_cells

_PICTURES = "image"  # the column's usual name
_BATCH_ROWS = 16
_BUFFER_BYTES = 1 << 20


@dataclass(frozen=True)
class PicturesInside:
    """The pictures in a column of a Parquet file, and in which fields if that is one of structs."""

    file: Path
    column: str
    bytes_field: str = ""
    path_field: str = ""

    def paths(self, parquet: Any) -> list[str]:
        """Return the paths beside the pictures; '' where there is none."""
        if not self.path_field:
            return [""] * int(parquet.metadata.num_rows)
        cells = parquet.read([f"{self.column}.{self.path_field}"])[self.column].to_pylist()
        return [str((cell or {}).get(self.path_field) or "") for cell in cells]

    def of(
        self, rows: Sequence[Row], *, most_picture_bytes: int, most_bytes: int = MOST_UNPACKED_BYTES
    ) -> Iterator[tuple[Row, bytes]]:
        """Yield the file's first rows with their `content` and its bytes, one after the other.

        A row without bytes is yielded as it is; one with more than `most_picture_bytes` has a
        `fault`. DatasetError if the file is damaged or holds more than `most_bytes`.
        """
        # Should the file have become shorter meanwhile, the rest has no picture.
        cells = itertools.chain(self._cells(), itertools.repeat(b""))
        for row, data in zip(rows, cells, strict=False):
            most_bytes -= len(data)
            if most_bytes < 0:
                raise DatasetError(
                    f"{self.file} holds more than {MOST_UNPACKED_BYTES / 1e9:g} GB of pictures: "
                    "split it, or take the first ones with --limit."
                )
            if not data:
                yield row, b""
            elif len(data) > most_picture_bytes:
                fault = f"It has {len(data) / 1e6:,.0f} MB, too many: make it smaller."
                yield replace(row, url="", fault=fault), b""
            else:
                content = hashlib.sha256(data).hexdigest()
                yield replace(row, url="", content=content, fault=""), data

    def _cells(self) -> Iterator[bytes]:
        import pyarrow.parquet

        path = f"{self.column}.{self.bytes_field}" if self.bytes_field else self.column
        # Without the first two pyarrow reads whole row groups, ahead of their use.
        how = {"buffer_size": _BUFFER_BYTES, "pre_buffer": False}
        how["page_checksum_verification"] = True
        with (
            _as_dataset_errors(self.file),
            pyarrow.parquet.ParquetFile(self.file, **how) as parquet,
        ):
            for batch in parquet.iter_batches(_BATCH_ROWS, columns=[path], use_threads=False):
                for cell in batch.column(0):
                    data = cell.as_py()
                    yield (data.get(self.bytes_field) if isinstance(data, dict) else data) or b""


def read_parquet(file: Path, columns: Columns) -> list[Row]:
    """Return the rows of a Parquet file; a label column may hold texts or lists of texts.

    Where pictures are inside the file, a row's URL is the picture's path if that is an address; its
    id is the path, or its number from 0 on, if there is no column of ids; and without label columns
    those of class labels are taken. A class label's number becomes its name.

    Raises
    ------
    DatasetError
        The file is not such a Parquet file, or an id is not valid.
    """
    import pyarrow
    import pyarrow.parquet

    with _as_dataset_errors(file, columns), pyarrow.parquet.ParquetFile(file) as parquet:
        schema = parquet.schema_arrow
        inside, class_names = _inside(file, schema, columns), _class_names(schema)
        without_keys = inside and columns.key == Columns.key and columns.key not in schema.names
        if inside and not columns.labels:
            columns = replace(columns, labels=tuple(class_names))
        left_out = {"--url-column": inside, "--id-column": without_keys}
        wanted = [(option, name) for option, name in columns.options() if not left_out.get(option)]
        check_columns(schema.names, wanted, file)
        table = parquet.read([name for _, name in wanted])
        texts = {
            option: table[name].cast(pyarrow.string()).to_pylist()
            for option, name in wanted
            if option != "--label-column"
        }
        labels = [
            [_named(cell, class_names.get(name, ())) for cell in table[name].to_pylist()]
            for name in columns.labels
        ]
        urls = texts.get("--url-column") or []
        if inside:
            urls = inside.paths(parquet)
        keys = texts.get("--id-column") or _keys_of(urls)
    rows = [
        Row(number, key or "", (url or "").strip(), labels_of_cells(cells))
        for number, key, url, *cells in zip(
            range(2, len(keys) + 2), keys, urls, *labels, strict=True
        )
    ]
    return checked([_without_path(row) for row in rows] if inside else rows, file)


def read_columns(file: Path) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Return the rows of any Parquet file, and the names of its columns of bytes, left out of them.

    A row has a cell for each column; a struct is a dict in it, a class label's number its name.
    DatasetError if the file cannot be read.
    """
    import pyarrow.parquet

    with _as_dataset_errors(file), pyarrow.parquet.ParquetFile(file) as parquet:
        schema = parquet.schema_arrow
        if twice := [name for name in schema.names if schema.names.count(name) > 1]:
            raise DatasetError(f"{file} has more than one column {twice[0]!r}: rename one.")
        leaves = [leaf for field in schema for leaf in _leaves(field.name, field.type)]
        table = parquet.read([name for name, kind in leaves if not _holds_bytes(kind)])
        try:
            rows = table.to_pylist()
        except (ValueError, OverflowError, LookupError) as exc:
            if isinstance(exc, pyarrow.ArrowException | UnicodeError):
                raise
            raise DatasetError(f"{file} holds a value that cannot be read ({exc}).") from exc
        for name, names in _class_names(schema).items():
            for row in rows:
                row[name] = _named(row.get(name), names)
    return rows, tuple(name for name, kind in leaves if _holds_bytes(kind))


def _leaves(name: str, kind: Any) -> Iterator[tuple[str, Any]]:
    """Yield the columns below one, with their types: those of a struct are named with dots."""
    import pyarrow

    if not pyarrow.types.is_struct(kind):
        yield name, kind
    else:
        for field in kind:
            yield from _leaves(f"{name}.{field.name}", field.type)


def _holds_bytes(kind: Any) -> bool:
    import pyarrow

    lists = (pyarrow.types.is_list, pyarrow.types.is_large_list, pyarrow.types.is_fixed_size_list)
    if any(test(kind) for test in lists):
        return _holds_bytes(kind.value_type)
    return _is_bytes(kind) or pyarrow.types.is_fixed_size_binary(kind)


def pictures_inside(file: Path, columns: Columns) -> PicturesInside | None:
    """Return the pictures in a Parquet file; None if it has URLs.

    They are in the column that `columns.url` names; or, where there is no column "url", in "image"
    or the only column of such structs. DatasetError if the file cannot be read.
    """
    import pyarrow.parquet

    with _as_dataset_errors(file, columns), pyarrow.parquet.ParquetFile(file) as parquet:
        return _inside(file, parquet.schema_arrow, columns)


def _inside(file: Path, schema: Any, columns: Columns) -> PicturesInside | None:
    structs = [field.name for field in schema if _is_picture(field.type)]
    name = columns.url
    if name == Columns.url and name not in schema.names:
        only = structs[0] if len(structs) == 1 else ""
        name = _PICTURES if _PICTURES in schema.names else only
    if schema.names.count(name) != 1:
        return None
    if name in structs:
        has_path = schema.field(name).type.get_field_index("path") >= 0
        return PicturesInside(file, name, "bytes", "path" if has_path else "")
    # Under any other name bytes are addresses, which some programs write without saying so.
    is_plain = name == _PICTURES and _is_bytes(schema.field(name).type)
    return PicturesInside(file, name) if is_plain else None


def _is_picture(kind: Any) -> bool:
    import pyarrow

    return pyarrow.types.is_struct(kind) and any(
        field.name == "bytes" and _is_bytes(field.type) for field in kind
    )


def _is_bytes(kind: Any) -> bool:
    import pyarrow

    types = pyarrow.types
    return any(
        test(kind) for test in (types.is_binary, types.is_large_binary, types.is_binary_view)
    )


def _class_names(schema: Any) -> dict[str, Sequence[str]]:
    """Return the names of the class labels that Hugging Face's metadata gives, by column."""
    try:
        metadata = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = metadata["info"]["features"]
        columns = {name: _class_label(feature) for name, feature in features.items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}
    return {name: names for name, names in columns.items() if names and name in schema.names}


def _class_label(feature: Any) -> list[str]:
    """Return the names of a class label, or of a list of them; none for any other feature."""
    if isinstance(feature, list) and len(feature) == 1:
        return _class_label(feature[0])
    if not isinstance(feature, dict):
        return []
    if feature.get("_type") in ("Sequence", "List", "LargeList"):
        return _class_label(feature.get("feature"))
    names = feature.get("names") if feature.get("_type") == "ClassLabel" else None
    return [str(name) for name in names] if isinstance(names, list) else []


def _named(cell: Any, names: Sequence[str]) -> Any:
    """Return a cell with the names of its class labels; -1 says that there is none."""
    if not names:
        return cell
    if isinstance(cell, list):
        return [_named(each, names) for each in cell]
    if not isinstance(cell, int) or cell < 0:
        return None if isinstance(cell, int) else cell
    return names[cell] if cell < len(names) else cell


def _keys_of(paths: Sequence[str]) -> list[str]:
    """Return the paths if they can be ids, else the rows' numbers as `datasets` counts them."""
    if len(set(paths)) == len(paths) and not any(map(fault_of, paths)):
        return list(paths)
    return [str(number) for number in range(len(paths))]


def _without_path(row: Row) -> Row:
    """Return a row whose URL was a picture's path; a file's name is none, and is not opened."""
    if row.url.lower().startswith(("http://", "https://")):
        return row
    name = f"only the name of a file, {shortened(row.url)}" if row.url else "no address for it"
    fault = f"The table has no bytes of it and {name}: write the picture into the table."
    return replace(row, url="", fault=fault)


@contextlib.contextmanager
def _as_dataset_errors(file: Path, columns: Columns | None = None) -> Iterator[None]:
    """Turn pyarrow's errors into DatasetErrors that name the file."""
    import pyarrow

    try:
        yield
    except OSError as exc:
        reason = exc.strerror or "it is damaged, or no Parquet file"
        raise DatasetError(f"{file} cannot be read ({reason}).") from exc
    except UnicodeError as exc:
        raise DatasetError(f"{file} holds text that is not valid UTF-8: write it again.") from exc
    except pyarrow.ArrowException as exc:
        fault = "is damaged"
        if columns:
            names = f"{columns.key!r} and {columns.url!r}"
            fault = f"is not a Parquet file whose columns {names} hold texts or numbers"
        raise DatasetError(f"{file} {fault}: write it again.") from exc
