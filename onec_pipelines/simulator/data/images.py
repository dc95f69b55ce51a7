"""Pictures of goods: the attached files, where their bytes are kept, and the bytes.

Real small PNG images (PROTOCOL §11.3).
"""

from __future__ import annotations

import base64
import struct
import zlib
from abc import abstractmethod
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256

from onec_pipelines.simulator.data.defects import Defect
from onec_pipelines.simulator.data.dictionaries import head
from onec_pipelines.simulator.data.guids import salt, scramble
from onec_pipelines.simulator.data.layout import Periodic
from onec_pipelines.simulator.data.plan import NOMENCLATURE
from onec_pipelines.simulator.data.products import IMAGED
from onec_pipelines.simulator.data.tables import (
    FIRST_VERSIONS,
    ZERO_GUID,
    ComputedTable,
    ListTable,
    by_presentation,
)
from onec_pipelines.simulator.data.world import World, stamp
from onec_pipelines.simulator.source import Key, Row

FILE = "Catalog_НоменклатураПрисоединенныеФайлы"
STORE = "InformationRegister_ХранилищеФайлов"
BINARY = "Catalog_ХранилищеДвоичныхДанных"
VOLUME = "Catalog_ТомаХраненияФайлов"
_PER_PRODUCT = 4  # numbers of pictures are product * 4 + place, places 0 and 1 are used
_SECOND = frozenset((0, 4))  # last digits of the products with a second picture
_PALETTE = 64
_ON_DISK, _LOST, _TORN = 29, 57, 83  # by remainder of the rank modulo 1000


def png(colour: tuple[int, int, int], size: int = 16) -> bytes:
    """Give a valid PNG: a square of one colour with a white frame."""
    frame, inside = b"\xff\xff\xff", bytes(colour)
    line = b"\x00" + frame + inside * (size - 2) + frame
    edge = b"\x00" + frame * size
    pixels = edge + line * (size - 2) + edge
    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in ((b"IHDR", header), (b"IDAT", zlib.compress(pixels, 9)), (b"IEND", b""))
    )


class Pictures:
    """All pictures by rank: which product each belongs to, and its bytes.

    Few different bytes, so that copies are shared.
    """

    def __init__(self, world: World) -> None:
        residues = [digit * _PER_PRODUCT for digit in IMAGED] + [
            digit * _PER_PRODUCT + 1 for digit in _SECOND
        ]
        self.members = Periodic(
            total=world.products * _PER_PRODUCT, period=10 * _PER_PRODUCT, residues=residues
        )
        self._chance = salt(world.seed, "picture")
        self._bytes = [png((at * 4, 255 - at * 4, at * 16 % 256)) for at in range(_PALETTE)]
        self._texts = [base64.b64encode(body).decode() for body in self._bytes]
        self._hashes = [base64.b64encode(sha256(body).digest()).decode() for body in self._bytes]

    def look(self, number: int) -> int:
        """Give which of the images a picture is."""
        return scramble(number, self._chance) % _PALETTE

    def size(self, number: int) -> int:
        """Give the length in bytes."""
        return len(self._bytes[self.look(number)])

    def text(self, number: int) -> str:
        """Give the bytes as base64."""
        return self._texts[self.look(number)]

    def digest(self, number: int) -> str:
        """Give the hash 1C keeps: 44 characters."""
        return self._hashes[self.look(number)]


class _PictureTable(ComputedTable):
    """What the three tables share: ranks and keys."""

    def __init__(self, name: str, world: World, pictures: Pictures) -> None:
        super().__init__(name)
        self._world = world
        self._pictures = pictures
        self._files = world.guids(FILE)
        self._binaries = world.guids(BINARY)

    def __len__(self) -> int:
        """Give the number of pictures."""
        return len(self._pictures.members)

    def _defect(self, rank: int) -> int:
        return rank % 1000 if self._world.broken else -1

    def _rank(self, number: int | None) -> int | None:
        return None if number is None else self._pictures.members.rank(number)

    def compute(self, start: int, stop: int) -> list[Row]:
        """Give the rows of these positions."""
        return [self._row(rank, self._pictures.members.at(rank)) for rank in range(start, stop)]

    @abstractmethod
    def _row(self, rank: int, number: int) -> Row:
        """Give the row of a picture by its rank and number."""


class Files(_PictureTable):
    """`Catalog_НоменклатураПрисоединенныеФайлы`, named in the order of loading."""

    def __init__(self, world: World, pictures: Pictures) -> None:
        super().__init__(FILE, world, pictures)
        self._goods = world.guids(NOMENCLATURE)

    def find(self, key: Key) -> int | None:
        """Give the position of a file."""
        return self._rank(self._files.number(key[0]))

    def defects(self) -> Iterator[Defect]:
        """Give the broken rows of all three tables."""
        if self._world.broken:
            for start in range(0, len(self), 1000):
                for table, remainder, kind in (
                    (FILE, _ON_DISK, "file on a volume that OData cannot reach"),
                    (STORE, _LOST, "bytes were deleted"),
                    (BINARY, _TORN, "bytes are not an image"),
                ):
                    if start + remainder < len(self):
                        yield Defect(table=table, position=start + remainder, kind=kind)

    def _row(self, rank: int, number: int) -> Row:
        item, place = divmod(number, _PER_PRODUCT)
        on_disk = self._defect(rank) == _ON_DISK
        made = self._world.days_ago(300) + timedelta(seconds=rank % 20_000_000)
        return {
            "Ref_Key": self._files.make(number),
            "DataVersion": FIRST_VERSIONS[number & 3],
            "Description": f"photo_{rank:08d}_{place + 1}",
            "IsFolder": False,
            "DeletionMark": False,
            "ВладелецФайла_Key": self._goods.make(item),
            "Автор_Key": self._world.ref("Catalog_Пользователи", "Администратор"),
            "ДатаСоздания": stamp(made),
            "ДатаМодификацииУниверсальная": stamp(made - timedelta(hours=3)),
            "Размер": self._pictures.size(number),
            "Расширение": "png",
            "ТипХраненияФайла": "ВТомахНаДиске" if on_disk else "ВИнформационнойБазе",
            "Том_Key": self._world.ref(VOLUME, "Основной том") if on_disk else ZERO_GUID,
            "ПутьКФайлу": f"20260101\\photo_{rank:08d}.png" if on_disk else "",
            "ИндексКартинки": 35,
        }


class Stored(_PictureTable):
    """`InformationRegister_ХранилищеФайлов`: which bytes a file has."""

    def __init__(self, world: World, pictures: Pictures) -> None:
        super().__init__(STORE, world, pictures)

    def find(self, key: Key) -> int | None:
        """Give the position of the record of a file."""
        return self._rank(self._files.number(key[0])) if key[1] == f"StandardODATA.{FILE}" else None

    def _row(self, rank: int, number: int) -> Row:
        lost = self._defect(rank) == _LOST
        return {
            "Файл": self._files.make(number),
            "Файл_Type": f"StandardODATA.{FILE}",
            "ХранилищеДвоичныхДанных_Key": self._world.gone(number) if lost else self._binaries.make(number),
        }


class Binaries(_PictureTable):
    """`Catalog_ХранилищеДвоичныхДанных`: size, hash and bytes."""

    def __init__(self, world: World, pictures: Pictures) -> None:
        super().__init__(BINARY, world, pictures)

    def find(self, key: Key) -> int | None:
        """Give the position of an object with bytes."""
        return self._rank(self._binaries.number(key[0]))

    def _row(self, rank: int, number: int) -> Row:
        text = self._pictures.text(number)
        if self._defect(rank) == _TORN:
            text = base64.b64encode(b"not an image").decode()
        return {
            "Ref_Key": self._binaries.make(number),
            "DataVersion": FIRST_VERSIONS[number & 3],
            "DeletionMark": False,
            "Размер": self._pictures.size(number),
            "Хеш": self._pictures.digest(number),
            # 1C breaks long base64 into lines, PROTOCOL §2.2
            "ДвоичныеДанные_Base64Data": "\r\n".join(text[at : at + 76] for at in range(0, len(text), 76)),
            "ДвоичныеДанные_Type": "application/octet-stream",
        }


def volumes(world: World) -> ListTable:
    """Give `Catalog_ТомаХраненияФайлов`."""
    row = head(world, VOLUME, "Основной том", "Основной том")
    return by_presentation(VOLUME, [{**row, "Code": "000000001", "ПолныйПутьWindows": "D:\\1c_files"}])
