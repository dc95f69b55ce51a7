"""НоменклатураПрисоединенныеФайлы: which pictures products and categories have; their bytes are fetched apart (PROTOCOL §11.3)."""

from __future__ import annotations

from decimal import Decimal

from onec_pipelines.spec import (
    IS_DELETED,
    OBJECT_FIELDS,
    Column,
    ColumnType,
    Entity,
    Field,
    Source,
    Target,
    Way,
    ref,
)

_OF_CATEGORY = (
    "EXISTS (SELECT FROM clean.categories k WHERE k.system_name = c.system_name AND k.row_key = c.owner_ref)"
)

IMAGES = Entity(
    name="images",
    title_ru="Изображения номенклатуры",
    description="Pictures of products and categories: whose they are, and what has become of their bytes.",
    group="catalog",
    source=Source(resources=("Catalog_НоменклатураПрисоединенныеФайлы",)),
    fields=(
        *OBJECT_FIELDS,
        Field(name="is_folder", source=("IsFolder",), type=ColumnType.BOOLEAN, required=False),
        ref("owner_ref", "ВладелецФайла_Key", to="products"),
        Field(name="name", source=("Description",), transform="clean_text"),
        Field(name="extension", source=("Расширение",), transform="lower"),
        Field(
            name="size_bytes",
            source=("Размер",),
            type=ColumnType.INTEGER,
            minimum=Decimal(0),
            doc="As 1C notes it; the bytes themselves are counted when they come",
        ),
        Field(
            name="storage",
            source=("ТипХраненияФайла",),
            transform="file_storage",
            required=False,
            doc="Only what is kept in the infobase is reachable by OData (PROTOCOL §11.3)",
        ),
        ref("volume_ref", "Том_Key", required=False),
        Field(name="volume_path", source=("ПутьКФайлу",), transform="strip", required=False),
        Field(name="made_at", source=("ДатаСоздания",), type=ColumnType.TIMESTAMP, required=False),
        Field(
            name="modified_at",
            source=("ДатаМодификацииУниверсальная",),
            type=ColumnType.TIMESTAMP,
            transform="in_utc",
            required=False,
            doc="UTC on the wire, unlike every other date of 1C (PROTOCOL §11.3)",
        ),
        Field(name="is_encrypted", source=("Зашифрован",), type=ColumnType.BOOLEAN, required=False),
    ),
    target=Target(
        table="shop.images",
        where="c.is_folder IS NOT TRUE",
        joins=(
            "LEFT JOIN clean.products p ON p.system_name = c.system_name AND p.row_key = c.owner_ref"
            " AND p.deleted_at IS NULL"
            " LEFT JOIN integ.image_files f ON f.system_name = c.system_name AND f.ref = c.row_key"
            " LEFT JOIN integ.image_blobs b ON b.sha256 = f.sha256"
        ),
        reads=("products", "categories"),
        columns=(
            Column(name="product_id", reference="owner_ref", entity="products", when=f"NOT {_OF_CATEGORY}"),
            Column(name="category_id", reference="owner_ref", entity="categories", when=_OF_CATEGORY),
            Column(
                name="is_main",
                sql="coalesce(p.picture_ref = c.row_key, FALSE)",
                inputs=("ref", "owner_ref"),
                doc="Named by Номенклатура.ФайлКартинки of its product",
            ),
            Column(name="name", copy="name"),
            Column(name="extension", copy="extension"),
            Column(name="made_at", copy="made_at"),
            Column(name="modified_at", copy="modified_at"),
            Column(
                name="state",
                sql="coalesce(f.state, 'waiting')",
                doc="ready, waiting, unreachable or rejected: what became of the bytes (docs/images.md)",
            ),
            Column(name="code", sql="f.code", doc="Why it is not ready, one word"),
            Column(name="reason", sql="f.reason", doc="Why it is not ready, for people"),
            Column(name="sha256", sql="b.sha256", doc="Of the stored bytes, hexadecimal"),
            Column(
                name="path",
                sql="b.path",
                doc="Within the image store; put the address of the store before it",
            ),
            Column(name="media_type", sql="b.media_type", doc="By the bytes, not by the extension"),
            Column(name="width", sql="b.width", doc="Pixels"),
            Column(name="height", sql="b.height", doc="Pixels"),
            Column(name="bytes", sql="b.bytes"),
            IS_DELETED,
        ),
    ),
    depends_on=("categories", "products"),
    way=Way.VERSIONS,
    optional=True,
)
