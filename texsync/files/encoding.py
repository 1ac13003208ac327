"""Text of mesh files, whose programs wrote the encoding of their country, and the files that it names.

Bytes with a mark, and valid UTF-8, are what they say.  For the rest there are two readings, Shift-JIS and Windows'
Western code page (Latin-1 and more): general detectors are wrong about names of a few letters, and told by hundreds of
lines of digits.  The Western reading takes any byte and no two alike, so names stay distinct even where it is wrong.
"""

from __future__ import annotations

import codecs
import os
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
WESTERN = {i: c for i in range(128, 160) if (c := bytes([i]).decode("cp1252", "replace")) != "\ufffd"}
LATIN = {ord(c): i for i, c in WESTERN.items()}
# the second byte of a Japanese letter is high in most words, and the first is none that Western names have before ASCII
JAPANESE = re.compile(
    rb"[\x81-\x9f][\x80-\xfc]|[\x81-\x84\x86-\x89\x8b\x8d\x8f\x90\x95\x98\x99\x9b\x9d][@-~]"
)
PAGES = (
    "utf-8",
    "cp932",
    "gbk",
    "euc_kr",
    "big5",
    "cp1251",
    "cp1250",
    "cp437",
)  # that archives and scripts are in
Reading = Callable[[bytes], str]


def read_text(data: bytes, other: Reading | None = None) -> str:
    """Bytes as text, without a byte order mark.  other: how to read what is neither marked nor UTF-8."""
    return (reading(data) or other or legacy(data))(data)


def reading(data: bytes) -> Reading | None:
    """How text is read that says what it is: with a mark, or UTF-8 but for a letter or two that were cut in half."""
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return lambda data: data[len(mark) :].decode(encoding, "replace")
    high = data.decode("utf-8", "surrogateescape").translate(dict.fromkeys(range(128)))
    broken = len(re.findall("[\udc80-\udcff]", high))
    return utf_8 if 2 * broken <= len(high) - broken else None


def legacy(data: bytes) -> Reading:
    """How bytes that are no UTF-8 are read: `japanese` or `western`."""
    try:
        data.decode("cp932")
    except UnicodeDecodeError:
        return western
    return japanese if JAPANESE.search(data) else western


def utf_8(data: bytes) -> str:
    """UTF-8; bytes that are none stay apart, each as the Latin-1 letter of its number."""
    text = data.decode("utf-8", "surrogateescape")
    return re.sub("[\udc80-\udcff]", lambda byte: chr(ord(byte[0]) - 0xDC00), text)


def japanese(data: bytes) -> str:
    """Shift-JIS with Microsoft's additions."""
    return data.decode("cp932", "replace")


def western(data: bytes) -> str:
    """Windows-1252; the five bytes that it leaves out as in Latin-1."""
    return data.decode("latin-1").translate(WESTERN)


def lines_of_text(text: str) -> list[str]:
    """Its lines, of any system; `splitlines` would also break names at rare characters."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def shown_name(name: str) -> str:
    """The name of a file as text, also where the disk has it in another encoding than the system's."""
    return read_text(os.fsencode(name))


def find_file(folder: Path, name: str) -> str | None:
    """The path in `folder`, as the disk has it, of a file that a text names; None if it is not there.

    Slashes of any system; letter case, composed or not, and the encoding of either name do not matter.
    """
    found = Path()
    for step in name.replace("\\", "/").split("/"):
        if step in ("", "."):
            continue
        if not (folder / found / step).exists():
            step = _alike(folder / found, step)
        if not step:
            return None
        found /= step
    return str(found) if found.parts else None


def _alike(folder: Path, name: str) -> str:
    """The entry of a folder that is the same name in other bytes, "" if there is none."""
    try:
        entries = sorted(os.listdir(folder))
    except (OSError, ValueError):
        return ""
    plain = [entry for entry in entries if _plain(shown_name(entry)) == _plain(name)]
    return next(iter(plain or [entry for entry in entries if _spellings(entry) & _spellings(name)]), "")


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _spellings(name: str) -> set[bytes]:
    """The bytes of a name in every encoding that has its letters."""
    text = unicodedata.normalize("NFC", shown_name(name))
    made = {text.encode(page, "ignore") for page in PAGES if text == text.encode(page, "ignore").decode(page)}
    single = text.translate(LATIN)
    return made | ({single.encode("latin-1")} if all(ord(c) < 256 for c in single) else set())
