"""Unpack zip and tar files that others made: into one folder, all of an archive or nothing.

What the archive states is checked before anything is written, and what it holds while it is read,
since sizes can lie. zip members must be stored or deflated; tar files may be packed with gzip.
"""

import gzip
import io
import re
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, cast

from sonotrace.errors import SonotraceError
from sonotrace.running.outputs import building

TAR_ENDINGS = (".tar", ".tar.gz", ".tgz")
"""Names that end so are read as tar files, all others as zip files."""
_OTHERS = {
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "RAR",
    b"\xfd7zXZ\0": "xz",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"\x04\x22\x4d\x18": "LZ4",
}
"""How archives begin that are not unpacked here."""
_OTHER_ENDINGS = (".7z", ".rar", ".xz", ".txz", ".bz2", ".tbz2", ".zst", ".lz4")


@dataclass(frozen=True)
class Limits:
    """How much an archive may hold; 12,400 ultrasound images with labels stay far below each default."""

    members: int = 1_000_000
    megabytes: int = 50_000
    """Unpacked, together; 1 MB is 10^6 bytes."""
    ratio: int = 200
    """Unpacked to packed size, of the archive and of each zip member that unpacks to over 10 MB."""


DEFAULT = Limits()

_SMALL = 10_000_000
"""Bytes below which no ratio is asked for: an empty mask or a table may well shrink a thousandfold."""
_BOMB = "unpack it yourself if you trust it"
_PIECE = 1_000_000
"""Bytes read at once."""
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    struct.error,
    EOFError,
    LookupError,
    NotImplementedError,
    OverflowError,
    RecursionError,
    ValueError,
)
"""What zipfile, tarfile and gzip raise for archives that are damaged or of a kind they do not read."""


@dataclass(frozen=True)
class _Member:
    """A member as its archive states it; sizes and positions in bytes."""

    name: str
    kind: str
    size: int
    packed: int
    start: int
    end: int
    """Where it lies in the zip file, or in the unpacked tar file."""
    open: Callable[[], IO[bytes]]


def archives_in(folder: Path) -> list[Path]:
    """List the archives in a folder and below, by their endings, without hidden ones."""
    endings = (".zip", *TAR_ENDINGS, *_OTHER_ENDINGS)
    found = (path for path in folder.rglob("*") if path.name.lower().endswith(endings) and path.is_file())
    return sorted(path for path in found if not path.name.startswith("."))


def unpack(
    archive: Path, into: Path, limits: Limits = DEFAULT, *, advance: Callable[[int], None] = lambda _: None
) -> None:
    """Unpack a zip or tar file into the folder `into`, in place of what stood there.

    Files and folders get the permissions of new ones, whatever the archive says. What macOS adds
    (`__MACOSX`, `.DS_Store`) is left out, and a backslash separates folders, as some Windows tools
    write it. `advance` is told the number of files written since its last call.

    Raises SonotraceError, and leaves `into` as it was, where the archive is damaged, encrypted or
    beyond `limits`; or where a member is a link or another special file, would land outside `into`,
    shares its name with another but for case, Unicode form or closing dots and spaces, shares its
    bytes with another, or is not as long as stated.
    """
    tar = archive.name.lower().endswith(TAR_ENDINGS)
    try:
        _refuse_others(archive)
        with (_tar if tar else _zip)(archive, limits) as members:
            files, folders = _checked(members, limits, archive.stat().st_size)
            with building(into) as part:
                part.mkdir()
                for folder in folders:
                    (part / folder).mkdir(parents=True, exist_ok=True)
                for member, path in files:
                    _write(member, f"{part}/{path}")
                    advance(1)
    except SonotraceError as error:
        raise SonotraceError(f"{archive}: {error}") from None
    except _DAMAGE as error:
        reason = str(error) or "it ends too early"
        raise SonotraceError(
            f"{archive}: cannot be unpacked as {'tar' if tar else 'zip'} ({reason}); get it again"
        ) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise SonotraceError(f"{archive}: cannot be unpacked to {into} ({reason}); check both and the disk") from None


def _refuse_others(archive: Path) -> None:
    """Say what kind an archive is that only other programs unpack."""
    with archive.open("rb") as file:
        beginning = file.read(8)
    kind = next((kind for mark, kind in _OTHERS.items() if beginning.startswith(mark)), None)
    if kind:
        raise SonotraceError(
            f"packed with {kind}, and only zip, tar and tar.gz are unpacked here; "
            "unpack it with another program and put its contents in its place"
        )


def _write(member: _Member, path: str) -> None:
    written = 0
    with member.open() as source, open(path, "xb") as file:  # noqa: PTH123 - a Path costs time a million times
        while piece := source.read(_PIECE):
            written += len(piece)
            if written > member.size:
                break
            file.write(piece)
    if written != member.size:
        raise SonotraceError(f"{member.name!r} is not as long as the archive states; get it again")


def _checked(
    members: Iterable[_Member], limits: Limits, archive_size: int
) -> tuple[list[tuple[_Member, str]], dict[str, None]]:
    """Return the files, each with its path, and the folders, in the order of the archive."""
    files: list[tuple[_Member, str]] = []
    folders: dict[str, None] = {}
    listed: set[str] = set()
    tree: dict[str, Any] = {}
    spans: list[tuple[int, int, str]] = []
    total = 0
    for count, member in enumerate(members, 1):
        total += member.size
        _measure(member, count, total, limits, archive_size)
        parts = _parts(member)
        if member.kind not in {"file", "folder"}:
            raise SonotraceError(f"{member.name!r} is a {member.kind}; make the archive without it")
        if member.size < 0 or (member.size and member.kind == "folder"):
            raise SonotraceError(f"{member.name!r} is a {member.kind} of {member.size} bytes; make the archive again")
        spans.append((member.start, member.end, member.name))
        if not parts or parts[0] == "__MACOSX" or parts[-1] == ".DS_Store":
            continue
        path = "/".join(parts)
        if path in listed:
            raise SonotraceError(f"{member.name!r} stands twice; make the archive again")
        listed.add(path)
        _place(member, parts, tree)
        folders["/".join(parts if member.kind == "folder" else parts[:-1])] = None
        if member.kind == "file":
            files.append((member, path))
    for (_, end, _), (start, _, name) in pairwise(sorted(spans)):
        if start < end:
            raise SonotraceError(f"{name!r} shares its bytes with another member; get the archive again")
    return files, folders


def _measure(member: _Member, count: int, total: int, limits: Limits, archive_size: int) -> None:
    """Raise where a member, or the archive up to it, is beyond the limits."""
    if count > limits.members:
        raise SonotraceError(f"holds more than {limits.members} members; {_BOMB}")
    if total > limits.megabytes * 10**6:
        raise SonotraceError(f"unpacks to more than {limits.megabytes} MB; {_BOMB}")
    if total > max(_SMALL, limits.ratio * archive_size):
        raise SonotraceError(f"unpacks to more than {limits.ratio} times its size; {_BOMB}")
    if member.size > max(_SMALL, limits.ratio * member.packed):
        raise SonotraceError(f"{member.name!r} unpacks to more than {limits.ratio} times its size; {_BOMB}")


def _parts(member: _Member) -> list[str]:
    """Return the folders and the name that lead to a member; none for the archive's own folder."""
    name = member.name.replace("\\", "/")
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if not name or (not parts and member.kind != "folder"):
        raise SonotraceError(f"a member has no name ({member.name!r}); make the archive again")
    if not name.isprintable() and any(unicodedata.category(sign) in {"Cc", "Cs", "Zl", "Zp"} for sign in name):
        raise SonotraceError(f"{member.name!r} is no name (control characters, or not UTF-8); rename it in the archive")
    if (
        name.startswith("/")
        or re.match("[A-Za-z]:", parts[0] if parts else "")
        or any(not part.strip(". ") for part in parts)
    ):
        raise SonotraceError(
            f"{member.name!r} leads out of the archive; make it again with names below one folder, or get it anew"
        )
    if len(name.encode()) > 1000 or any(len(part.encode()) > 255 for part in parts):
        raise SonotraceError(f"{name[:60]!r}... is too long a name; make the archive with shorter ones")
    return parts


def _place(member: _Member, parts: list[str], tree: dict[str, Any]) -> None:
    """Add a member to the tree of names; raise where a file system could take it for another.

    A node is `folded name: (name, nodes below)`, with None below a file. Names are folded after
    the Unicode Standard, D145 (canonical caseless matching), and without the closing dots and
    spaces that Windows drops.
    """
    for depth, part in enumerate(parts, 1):
        folded = unicodedata.normalize("NFD", unicodedata.normalize("NFD", part).casefold()).rstrip(". ")
        is_file = depth == len(parts) and member.kind == "file"
        known, below = tree.setdefault(folded, (part, None if is_file else {}))
        if known != part:
            raise SonotraceError(f"{member.name!r} falls together with {known!r} on some disks; rename one of them")
        if is_file != (below is None):
            raise SonotraceError(f"{member.name!r} needs {known!r} as file and as folder; make the archive again")
        tree = below


@contextmanager
def _zip(archive: Path, limits: Limits) -> Iterator[Iterator[_Member]]:
    """Give a zip's members; they can be opened while the block runs."""
    raw = archive.open("rb", buffering=0)
    # a member takes at least 47 bytes of the directory, which zipfile reads whole; most take about 100
    with _Guarded(raw, most=2**20 + 256 * limits.members) as file, zipfile.ZipFile(file) as opened:
        yield (_zip_member(opened, info) for info in opened.infolist())


def _zip_member(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    name = info.orig_filename
    if not info.flag_bits & 0x800:  # not marked as UTF-8, and so read as code page 437
        with suppress(UnicodeError):  # macOS and Linux write UTF-8 all the same
            name = name.encode("cp437").decode()
    if info.flag_bits & 0x2041:  # encrypted, strongly encrypted, encrypted directory
        raise SonotraceError(f"{name!r} is encrypted; unpack it yourself and put the contents there")
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise SonotraceError(f"{name!r} is packed with method {info.compress_type}; make the zip with `deflate`")
    if b"PK\x01\x02" in info.extra + info.comment:  # the mark of an entry: one with a wrong length swallowed others
        raise SonotraceError(f"{name!r} hides other members; get the zip again")
    # the local header has 30 bytes, a name and extra fields
    start, end = info.header_offset, info.header_offset + 30 + info.compress_size
    if not 0 <= start <= end <= opened.start_dir:
        raise SonotraceError(f"{name!r} lies outside the zip; get it again")
    kind = "folder" if name.endswith(("/", "\\")) else "file"
    mode = stat.S_IFMT(info.external_attr >> 16)
    if mode not in {0, stat.S_IFREG, stat.S_IFDIR}:
        kind = _KINDS.get(mode, "special file")
    member = _Member(name, kind, info.file_size, info.compress_size, start, end, partial(opened.open, info))
    info.file_size += 1  # zipfile cuts a member off at its stated size without a word; so what is too long shows
    return member


_KINDS = {
    stat.S_IFLNK: "link",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
}


@contextmanager
def _tar(archive: Path, limits: Limits) -> Iterator[Iterator[_Member]]:
    """Give a tar's members; they can be opened while the block runs, quickly in their order only."""
    with archive.open("rb") as file:
        gzipped = file.read(2) == b"\x1f\x8b"
    longest = min(limits.megabytes * 10**6, max(_SMALL, limits.ratio * archive.stat().st_size))
    raw = gzip.GzipFile(archive) if gzipped else archive.open("rb", buffering=0)
    with (
        _Guarded(cast("io.RawIOBase", raw), most=_PIECE, longest=longest) as stream,
        tarfile.TarFile(fileobj=stream, encoding="utf-8", errors="surrogateescape") as opened,
    ):
        yield _tar_members(opened, stream)


def _tar_members(opened: tarfile.TarFile, stream: "_Guarded") -> Iterator[_Member]:
    for info in opened:
        if info.issparse():
            kind = "sparse file"
        elif info.islnk() or info.issym():
            kind = "link"
        elif info.isdev():
            kind = "pipe" if info.isfifo() else "device"
        else:
            kind = "file" if info.isfile() else "folder" if info.isdir() else "special file"
        end = info.offset_data + info.size
        content = partial(opened.extractfile, info)
        yield _Member(info.name, kind, info.size, info.size, info.offset, end, cast("Callable[[], IO[bytes]]", content))
    # tarfile takes a damaged header for the end, which a block of zeros marks; gzip checks its sum at its own end
    stream.seek(opened.offset)
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("a header is damaged, or the end is missing")
    while stream.peek(1):
        stream.read(_PIECE)


class _Guarded(io.BufferedReader):
    """A file that cannot be read far: zipfile and tarfile take in headers of any stated length, and any number."""

    def __init__(self, raw: io.RawIOBase, most: int, longest: float = float("inf")) -> None:
        """Read at most `most` bytes at once, from before position `longest`."""
        super().__init__(raw)
        self._most = most
        self._longest = longest

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size > self._most or self.tell() > self._longest:
            raise SonotraceError("has a header or a stream that is longer than the limits allow; get it again")
        return super().read(size)
