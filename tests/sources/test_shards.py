"""webdataset shards become a gallery with their keys as ids; a malicious tar harms nothing."""

import bz2
import gzip
import io
import lzma
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from app.errors import AppError, DatasetError, UsageError
from app.images.formats import SUFFIXES
from app.sources.shards import Sample, shards_in, unpack_shards
from app.sources.tars import _ZstdStream
from tests.commands import Run
from tests.conftest import Home, encoded, picture

JPEG = encoded(picture(0))


def shard(file: Path, files: dict[str, bytes], change: Callable[..., None] | None = None) -> Path:
    with tarfile.open(file, "w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        if change:
            change(tar)
    return file


def unpack(place: Path, folder: Path, **options: int) -> list[Sample]:
    return unpack_shards(
        shards_in(place),
        folder,
        suffixes=SUFFIXES,
        on_progress=lambda stage, done, total: None,
        **options,
    )


def test_a_folder_of_shards_becomes_a_gallery_with_their_keys_as_ids(
    run: Run, home: Home, tmp_path: Path
) -> None:
    shards = tmp_path / "shards"
    shards.mkdir()
    first = {
        "a/0007.jpg": encoded(picture(1)),
        "a/0007.cls": b"3\n",
        "a/0007.json": b'{"label": "cat", "labels": ["tabby"], "caption": 7, "width": 9}',
        "0007.png": encoded(picture(2), "PNG"),
        "0007.txt": "Ein Ba\u0308r".encode(),
        "0007.npy": b"not read",
    }
    shard(shards / "s-000.tar", first)
    packed = shard(tmp_path / "plain.tar", {"x.left.jpg": JPEG, "x.json": b"[broken"}).read_bytes()
    (shards / "s-001.tar.gz").write_bytes(gzip.compress(packed))
    for place in (shards, shards / "s-*"):
        name = f"g{len(place.name)}"
        code, _, err = run("--webdataset", place, "--name", name, "--model", "mean_colour")
        assert code == 0, err
        service = home.service()
        found = {key: service.image(name, service.id_of(name, key)) for key in ("a/0007", "0007")}
        assert found["a/0007"].labels == ("3", "7", "cat", "tabby")
        assert found["0007"].labels == ("Ein B\u00e4r",)
        assert service.picture(name, service.id_of(name, "x.left"))[0] == JPEG
        assert service.gallery(name).images == 3


def test_the_same_command_resumes_and_other_shards_are_refused(
    run: Run, home: Home, tmp_path: Path
) -> None:
    file = shard(tmp_path / "a.tar", {"1.jpg": JPEG})
    command = ("--webdataset", file, "--name", "mine", "--model", "mean_colour")
    assert run(*command)[0] == 0
    assert "--force" in run(*command)[2]
    assert run(*command, "--force")[0] == 0
    shard(file, {"2.jpg": JPEG})
    assert run(*command, "--force")[0] == 0
    assert home.service().id_of("mine", "2") == 0
    (folder,) = (home.path / "datasets").iterdir()
    assert len(list(folder.iterdir())) == 1
    (folder / "holiday.jpg").write_bytes(JPEG)
    code, _, err = run(*command, "--force")
    assert (code, str(folder) in err) == (2, True)
    assert (folder / "holiday.jpg").is_file()


def test_the_remains_of_a_killed_run_are_deleted_and_two_runs_exclude_each_other(
    tmp_path: Path,
) -> None:
    file, out = shard(tmp_path / "a.tar", {"1.jpg": JPEG}), tmp_path / "out" / "mine"
    remains = out.parent / ".mine.unfinished" / "made"
    remains.mkdir(parents=True)
    (remains / "half.jpg").write_bytes(JPEG)

    def meet(stage: str, done: int, total: int) -> None:
        with pytest.raises(UsageError, match="mine: wait for it"):
            unpack(file, out)

    unpack_shards(shards_in(file), out, suffixes=SUFFIXES, on_progress=meet)
    assert [path.name for path in out.parent.iterdir()] == ["mine"]
    assert [path.suffix for path in out.iterdir()] == [".jpg"]


def test_a_file_that_is_too_large_is_not_read_into_memory(
    run: Run, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = {"big.jpg": bytes(3_000_000), "ok.jpg": JPEG, "ok.txt": b"x" * 2_000_000}
    read, sizes = tarfile.ExFileObject.read, list[int]()

    def noted(self: tarfile.ExFileObject, *arguments: int) -> bytes:
        data = read(self, *arguments)
        sizes.append(len(data))
        return data

    monkeypatch.setattr(tarfile.ExFileObject, "read", noted)
    monkeypatch.setattr("app.build.listed.MAX_PICTURE_BYTES", 2_500_000)
    file = shard(tmp_path / "a.tar", large)
    code, out, err = run("--webdataset", file, "--name", "mine", "--model", "mean_colour")
    assert code == 0, err
    assert all(words in out for words in ("'big'", "3 MB"))
    assert sizes == [len(JPEG)]
    assert home.service().image("mine", 0).labels == ()


def contents(samples: list[Sample], folder: Path) -> dict[str, bytes]:
    """Return the pictures of some samples by their ids."""
    return {each.key: (folder / each.name).read_bytes() for each in samples}


def test_shards_with_members_of_the_same_names_all_come_in(
    run: Run, home: Home, tmp_path: Path
) -> None:
    shards = tmp_path / "shards"
    shards.mkdir()
    for number in range(3):
        names = {f"{n:06}.jpg": encoded(picture(10 * number + n)) for n in range(2)}
        shard(shards / f"{number:05}.tar", {**names, "000000.cls": b"kind %d" % number})
    code, _, err = run("--webdataset", shards, "--name", "mine", "--model", "mean_colour")
    assert code == 0, err
    service = home.service()
    assert service.gallery("mine").images == 6
    for key, seed, labels in (
        ("000000", 0, ("kind 0",)),
        ("000001", 1, ()),
        ("00001/000000", 10, ("kind 1",)),
        ("00002/000001", 21, ()),
    ):
        row = service.id_of("mine", key)
        assert service.picture("mine", row)[0] == encoded(picture(seed))
        assert service.image("mine", row).labels == labels


def test_ids_stay_when_shards_are_added_at_any_place_or_taken_away(tmp_path: Path) -> None:
    shards, out = tmp_path / "shards", tmp_path / "out"
    shards.mkdir()
    files = {f"s-{n}.tar": {"a.jpg": b"a %d" % n, f"{n}.jpg": b"own"} for n in (0, 1, 2, 9, 10)}
    shard(shards / "s-2.tar", files["s-2.tar"])
    shard(shards / "s-10.tar", files["s-10.tar"])
    assert contents(unpack(shards, out), out) == {
        **{"a": b"a 2", "2": b"own", "s-10/a": b"a 10", "10": b"own"}
    }, "numbers count as numbers"
    shard(shards / "s-1.tar", files["s-1.tar"])
    grown = contents(unpack(shards, out), out)
    assert grown["a"] == b"a 2"
    assert grown["s-1/a"] == b"a 1"
    assert grown["s-10/a"] == b"a 10"
    (shards / "s-2.tar").unlink()
    less = contents(unpack(shards, out, force=True), out)
    assert less == {"s-1/a": b"a 1", "s-10/a": b"a 10", "1": b"own", "10": b"own"}
    shard(shards / "s-0.tar", files["s-0.tar"])
    assert contents(unpack(shards, out), out) == {**less, "a": b"a 0", "0": b"own"}
    assert len(list(out.iterdir())) == 6


def test_more_shards_go_into_the_folder_without_force_and_changed_ones_do_not(
    tmp_path: Path,
) -> None:
    shards, out = tmp_path / "shards", tmp_path / "out"
    shards.mkdir()
    shard(shards / "a.tar", {"1.jpg": b"one"})
    unpack(shards, out)
    shard(shards / "b.tar", {"2.jpg": b"two"})
    assert contents(unpack(shards, out), out) == {"1": b"one", "2": b"two"}
    shard(shards / "a.tar", {"1.jpg": b"another"})
    with pytest.raises(UsageError, match="holds other pictures"):
        unpack(shards, out)
    assert sorted(path.read_bytes() for path in out.iterdir()) == [b"one", b"two"]


def test_an_id_that_two_shards_would_have_in_the_end_is_refused(tmp_path: Path) -> None:
    shards, out = tmp_path / "shards", tmp_path / "out"
    shards.mkdir()
    shard(shards / "a.tar", {"x.jpg": JPEG, "b/x.jpg": JPEG})
    shard(shards / "b.tar", {"x.jpg": JPEG})
    with pytest.raises(DatasetError, match=r"'b/x' is both in b\.tar and in a\.tar"):
        unpack(shards, out)
    long = "y" * 100
    shard(shards / "b.tar", {"z.jpg": JPEG})
    for name in ("c", "d" * 100):
        shard(shards / f"{name}.tar", {f"{long}.jpg": JPEG})
    with pytest.raises(DatasetError, match=r"d\.tar holds .*200 characters"):
        unpack(shards, out)
    assert not out.exists()


def zstd(data: bytes, **options: int) -> bytes:
    parameters = zstandard.ZstdCompressionParameters(write_checksum=True, **options)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize("suffix", ["tar.zst", "tzst", "tar", "tar.gz", "tgz", "tar.bz2", "tar.xz"])
def test_a_shard_may_be_packed_in_any_way_whatever_it_is_called(
    tmp_path: Path, suffix: str
) -> None:
    plain = shard(tmp_path / "plain", {"a.jpg": JPEG, "b.jpg": bytes(2_000_000)}).read_bytes()
    skipped = b"\x50\x2a\x4d\x18\x04\x00\x00\x00skip"
    for packed in (
        zstd(plain),
        skipped + zstd(plain[:999]) + zstd(b"") + zstd(plain[999:]),
        gzip.compress(plain),
        bz2.compress(plain),
        lzma.compress(plain),
        plain,
    ):
        (tmp_path / "shards").mkdir(exist_ok=True)
        (tmp_path / "shards" / f"s.{suffix}").write_bytes(packed)
        samples = unpack(tmp_path / "shards", tmp_path / "out")
        assert contents(samples, tmp_path / "out") == {"a": JPEG, "b": bytes(2_000_000)}


def link(tar: tarfile.TarFile, kind: bytes, name: str = "b.jpg") -> None:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, "/etc/passwd"
    tar.addfile(member)


MALICIOUS: list[tuple[dict[str, bytes], Callable[..., None] | None, str]] = [
    ({"../a.jpg": JPEG}, None, "../a.jpg.*rename it"),
    ({"/a.jpg": JPEG}, None, "/a.jpg.*rename it"),
    ({"x/image.jpg": JPEG}, None, "s.tar.*'x/image.jpg'.*/image.*rename it"),
    ({"x/../../a.jpg": JPEG}, None, "x/../../a.jpg.*rename it"),
    ({"C:\\a.jpg": JPEG}, None, "a.jpg.*rename it"),
    ({"a.jpg": JPEG}, lambda tar: link(tar, tarfile.SYMTYPE), "b.jpg.*pack it without"),
    ({"a.jpg": JPEG}, lambda tar: link(tar, tarfile.LNKTYPE), "b.jpg.*pack it without"),
    ({"a.jpg": JPEG}, lambda tar: link(tar, tarfile.CHRTYPE), "b.jpg.*pack it without"),
    ({"a.jpg": JPEG}, lambda tar: link(tar, tarfile.FIFOTYPE), "b.jpg.*pack it without"),
    ({"a.jpg": JPEG, "a.png": JPEG}, None, "'a'.*s.tar and in s.tar.*rename"),
    ({"a\udcff.jpg": JPEG}, None, "not valid UTF-8.*rename it"),
    ({"a\n.jpg": JPEG}, None, "control character.*rename it"),
    ({f"{'x' * 201}.jpg": JPEG}, None, "200 characters.*rename it"),
    ({" .jpg": JPEG}, None, "no id.*rename it"),
    ({"a.txt": b"x", ".hidden.jpg": JPEG}, None, "s.tar.*no picture"),
    ({"a.jpg": bytes(3_000_000), "b.npy": bytes(3_000_000)}, None, "s.tar.*fewer or smaller"),
]


@pytest.mark.parametrize(("files", "change", "words"), MALICIOUS)
def test_a_malicious_shard_is_refused_and_nothing_is_written(
    tmp_path: Path, files: dict[str, bytes], change: Callable[..., None] | None, words: str
) -> None:
    file = shard(tmp_path / "s.tar", files, change)
    with pytest.raises((DatasetError, UsageError), match=words):
        unpack(file, tmp_path / "out" / "shop", most_bytes=5_000_000)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["s.tar"]


def test_a_truncated_shard_and_other_files_are_refused(tmp_path: Path) -> None:
    whole = shard(tmp_path / "s.tar", {"a.jpg": JPEG, "b.jpg": JPEG}).read_bytes()
    packed = zstd(whole)
    damaged = bytearray(packed)
    damaged[len(packed) // 2] ^= 0xFF
    for data in (
        *(whole[: 512 + 100], whole[:300], b"", b"text" * 300, gzip.compress(whole)[:600]),
        *(packed[:size] for size in (4, 5, 20, len(packed) // 2, len(packed) - 100)),
        *(bytes(damaged), b"\x28\xb5\x2f\xfd" + b"text" * 300, zstd(b"text" * 300)),
        *(lzma.compress(whole)[:600], bz2.compress(whole)[:600]),
    ):
        (tmp_path / "s.tar").write_bytes(data)
        with pytest.raises(DatasetError, match=r"s\.tar.*(damaged|no picture)"):
            unpack(tmp_path / "s.tar", tmp_path / "out")
        assert not (tmp_path / "out").exists()
    with pytest.raises(DatasetError, match=r"none-\*\.tar"):
        unpack(tmp_path / "none-*.tar", tmp_path / "out")


def test_a_small_file_that_unpacks_to_much_is_refused_before_it_fills_the_disk(
    tmp_path: Path,
) -> None:
    bomb = shard(tmp_path / "s.tar", {"a.bmp": bytes(20_000_000)}).read_bytes()
    (tmp_path / "s.tar").write_bytes(gzip.compress(bomb))
    assert (tmp_path / "s.tar").stat().st_size < 100_000
    with pytest.raises(DatasetError, match=r"s\.tar.*fewer or smaller"):
        unpack(tmp_path / "s.tar", tmp_path / "out", most_bytes=10_000_000)
    assert not (tmp_path / "out").exists()


def test_a_zstandard_shard_that_needs_much_memory_is_refused(tmp_path: Path) -> None:
    bomb = shard(tmp_path / "s.tar", {"a.bmp": bytes(20_000_000)}).read_bytes()
    wide = zstd(bomb[:1000], window_log=30, enable_ldm=True)
    assert zstandard.get_frame_parameters(wide).window_size == 1 << 30
    (tmp_path / "s.tar").write_bytes(wide)
    with pytest.raises(DatasetError, match=r"s\.tar needs more than 128 MB.*--long"):
        unpack(tmp_path / "s.tar", tmp_path / "out")
    (tmp_path / "s.tar").write_bytes(zstd(bomb))
    assert (tmp_path / "s.tar").stat().st_size < 100_000
    with pytest.raises(DatasetError, match=r"s\.tar.*fewer or smaller"):
        unpack(tmp_path / "s.tar", tmp_path / "out", most_bytes=10_000_000)
    assert not (tmp_path / "out").exists()


def test_a_little_of_a_zstandard_shard_is_unpacked_at_a_time(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb"
    with bomb.open("wb") as file, zstandard.ZstdCompressor().stream_writer(file) as packer:
        for _ in range(300):
            packer.write(bytes(1_000_000))
    with bomb.open("rb") as file:
        stream = _ZstdStream(file, "bomb")
        read, most = 0, 0
        while size := stream.readinto(bytearray(100_000)):
            read += size
            most = max(most, len(stream._ready))
    assert read == 300_000_000
    assert most < 70_000_000


def test_any_tar_gives_a_folder_or_one_sentence(tmp_path: Path) -> None:
    good = shard(tmp_path / "s.tar", {f"{n}.jpg": bytes(range(99)) for n in range(3)}).read_bytes()
    good, chance, messages = good[:4096], random.Random(1), []
    for turn in range(250):
        data = bytearray(good)
        for _ in range(chance.choice((1, 2, 5))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        (tmp_path / "s.tar").write_bytes(data[: chance.choice((4096, chance.randrange(4096)))])
        folder = tmp_path / "out" / str(turn)
        try:
            unpack(tmp_path / "s.tar", folder, most_bytes=1_000_000)
        except AppError as exc:
            messages.append(str(exc))
            assert not folder.exists()
    assert len(messages) > 50
    assert not any("\n" in each for each in messages)
    assert not list((tmp_path / "out").glob(".*"))
