-- The clean layer: one typed row per 1C object or register row. Written from the declarations in entities/ (see README: add an entity).
CREATE TABLE clean.currencies (
    system_name text NOT NULL,
    row_key uuid NOT NULL,
    ref uuid NOT NULL,
    data_version text,
    deletion_mark boolean NOT NULL,
    numeric_code text NOT NULL,
    symbol text,
    name text,
    changed_in bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    deleted_why text,
    absent_sweeps smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (system_name, row_key)
);
CREATE INDEX currencies_changed ON clean.currencies (system_name, changed_in);
COMMENT ON TABLE clean.currencies IS 'Валюты: Currencies of prices, by numeric ISO 4217 code.';

CREATE TABLE clean.currency_rates (
    system_name text NOT NULL,
    row_key uuid NOT NULL,
    period timestamptz NOT NULL,
    currency_ref uuid NOT NULL,
    rate numeric NOT NULL,
    multiplicity bigint NOT NULL,
    changed_in bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    deleted_why text,
    absent_sweeps smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (system_name, row_key)
);
CREATE INDEX currency_rates_changed ON clean.currency_rates (system_name, changed_in);
COMMENT ON TABLE clean.currency_rates IS 'Курсы валют: Rate of a currency on a day, in the accounting currency for `multiplicity` units.';

CREATE TABLE clean.vat_rates (
    system_name text NOT NULL,
    row_key uuid NOT NULL,
    ref uuid NOT NULL,
    data_version text,
    deletion_mark boolean NOT NULL,
    name text NOT NULL,
    code text,
    percent numeric,
    is_calculated boolean,
    changed_in bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    deleted_why text,
    absent_sweeps smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (system_name, row_key)
);
CREATE INDEX vat_rates_changed ON clean.vat_rates (system_name, changed_in);
COMMENT ON TABLE clean.vat_rates IS 'Ставки НДС: VAT rates: percent, and whether the rate is a calculated one (20/120).';

CREATE TABLE clean.manufacturers (
    system_name text NOT NULL,
    row_key uuid NOT NULL,
    ref uuid NOT NULL,
    data_version text,
    deletion_mark boolean NOT NULL,
    name text NOT NULL,
    is_folder boolean,
    parent_ref uuid,
    changed_in bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    deleted_why text,
    absent_sweeps smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (system_name, row_key)
);
CREATE INDEX manufacturers_changed ON clean.manufacturers (system_name, changed_in);
COMMENT ON TABLE clean.manufacturers IS 'Производители: Manufacturers of products.';

CREATE TABLE clean.brands (
    system_name text NOT NULL,
    row_key uuid NOT NULL,
    ref uuid NOT NULL,
    data_version text,
    deletion_mark boolean NOT NULL,
    name text NOT NULL,
    is_folder boolean,
    manufacturer_ref uuid,
    changed_in bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    deleted_why text,
    absent_sweeps smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (system_name, row_key)
);
CREATE INDEX brands_changed ON clean.brands (system_name, changed_in);
COMMENT ON TABLE clean.brands IS 'Марки (бренды): Brands of products and who makes them.';

CREATE TABLE clean.product_kinds (
    system_name text NOT NULL,
    row_key uuid NOT NULL,
    ref uuid NOT NULL,
    data_version text,
    deletion_mark boolean NOT NULL,
    name text NOT NULL,
    is_folder boolean,
    parent_ref uuid,
    product_type text,
    variant_policy text,
    variant_owner_ref uuid,
    changed_in bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    deleted_why text,
    absent_sweeps smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (system_name, row_key)
);
CREATE INDEX product_kinds_changed ON clean.product_kinds (system_name, changed_in);
COMMENT ON TABLE clean.product_kinds IS 'Виды номенклатуры: Kinds of products; a kind may own the variants common to its products.';

CREATE TABLE clean.attributes (
    system_name text NOT NULL,
    row_key uuid NOT NULL,
    ref uuid NOT NULL,
    data_version text,
    deletion_mark boolean NOT NULL,
    full_name text NOT NULL,
    title text,
    is_info boolean,
    changed_in bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    deleted_why text,
    absent_sweeps smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (system_name, row_key)
);
CREATE INDEX attributes_changed ON clean.attributes (system_name, changed_in);
COMMENT ON TABLE clean.attributes IS 'Дополнительные реквизиты: Additional attributes of products and variants (plan of characteristic types).';

CREATE TABLE clean.attribute_values (
    system_name text NOT NULL,
    row_key uuid NOT NULL,
    ref uuid NOT NULL,
    data_version text,
    deletion_mark boolean NOT NULL,
    name text NOT NULL,
    is_folder boolean,
    attribute_ref uuid,
    changed_in bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    deleted_why text,
    absent_sweeps smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (system_name, row_key)
);
CREATE INDEX attribute_values_changed ON clean.attribute_values (system_name, changed_in);
COMMENT ON TABLE clean.attribute_values IS 'Значения реквизитов: List values of additional attributes.';

CREATE TABLE clean.categories (
    system_name text NOT NULL,
    row_key uuid NOT NULL,
    ref uuid NOT NULL,
    data_version text,
    deletion_mark boolean NOT NULL,
    name text NOT NULL,
    code text,
    parent_ref uuid,
    changed_in bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    deleted_why text,
    absent_sweeps smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (system_name, row_key)
);
CREATE INDEX categories_changed ON clean.categories (system_name, changed_in);
COMMENT ON TABLE clean.categories IS 'Категории (группы номенклатуры): Tree of product folders, with path and depth; a cycle is cut and an orphan hangs at the root.';

CREATE TABLE clean.units (
    system_name text NOT NULL,
    row_key uuid NOT NULL,
    ref uuid NOT NULL,
    data_version text,
    deletion_mark boolean NOT NULL,
    name text NOT NULL,
    full_name text,
    okei_code text,
    international_code text,
    measure text,
    owner_ref uuid,
    owner_type text,
    base_unit_ref uuid,
    numerator numeric,
    denominator numeric,
    changed_in bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    deleted_why text,
    absent_sweeps smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (system_name, row_key)
);
CREATE INDEX units_changed ON clean.units (system_name, changed_in);
COMMENT ON TABLE clean.units IS 'Единицы измерения и упаковки: Units by OKEI code and packages; a package holds numerator/denominator of its base unit.';

CREATE TABLE clean.products (
    system_name text NOT NULL,
    row_key uuid NOT NULL,
    ref uuid NOT NULL,
    data_version text,
    deletion_mark boolean NOT NULL,
    category_ref uuid,
    code text,
    name text NOT NULL,
    full_name text,
    sku text,
    description text,
    kind_ref uuid,
    product_type text NOT NULL,
    unit_ref uuid,
    vat_rate_ref uuid,
    vat_rate_code text,
    brand_ref uuid,
    manufacturer_ref uuid,
    variant_policy text,
    weight_numerator numeric,
    weight_denominator numeric,
    weight_unit_ref uuid,
    picture_ref uuid,
    changed_in bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    deleted_why text,
    absent_sweeps smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (system_name, row_key)
);
CREATE INDEX products_changed ON clean.products (system_name, changed_in);
COMMENT ON TABLE clean.products IS 'Номенклатура (товары): Products with names, units, VAT, brand, weight and additional attributes.';

CREATE TABLE clean.products_attributes (
    system_name text NOT NULL,
    owner_key uuid NOT NULL,
    line_number bigint NOT NULL,
    attribute_ref uuid,
    value text,
    value_type text,
    value_ref uuid,
    long_text text,
    PRIMARY KEY (system_name, owner_key, line_number)
);

CREATE TABLE clean.pricing_variants (
    system_name text NOT NULL,
    row_key uuid NOT NULL,
    ref uuid NOT NULL,
    data_version text,
    deletion_mark boolean NOT NULL,
    name text,
    changed_in bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    deleted_why text,
    absent_sweeps smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (system_name, row_key)
);
CREATE INDEX pricing_variants_changed ON clean.pricing_variants (system_name, changed_in);
COMMENT ON TABLE clean.pricing_variants IS 'Характеристики для ценообразования: Variants as pricing 2.5 sees them: several product variants may share one.';

CREATE TABLE clean.variants (
    system_name text NOT NULL,
    row_key uuid NOT NULL,
    ref uuid NOT NULL,
    data_version text,
    deletion_mark boolean NOT NULL,
    name text NOT NULL,
    full_name text,
    owner_ref uuid,
    owner_type text,
    pricing_variant_ref uuid,
    changed_in bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    deleted_why text,
    absent_sweeps smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (system_name, row_key)
);
CREATE INDEX variants_changed ON clean.variants (system_name, changed_in);
COMMENT ON TABLE clean.variants IS 'Характеристики номенклатуры: Variants of a product, or common to all products of a kind.';

CREATE TABLE clean.barcodes (
    system_name text NOT NULL,
    row_key uuid NOT NULL,
    barcode text NOT NULL,
    product_ref uuid NOT NULL,
    variant_ref uuid,
    unit_ref uuid,
    changed_in bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    deleted_why text,
    absent_sweeps smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (system_name, row_key)
);
CREATE INDEX barcodes_changed ON clean.barcodes (system_name, changed_in);
COMMENT ON TABLE clean.barcodes IS 'Штрихкоды номенклатуры: Barcodes of products, variants and packages.';

CREATE TABLE clean.price_types (
    system_name text NOT NULL,
    row_key uuid NOT NULL,
    ref uuid NOT NULL,
    data_version text,
    deletion_mark boolean NOT NULL,
    name text NOT NULL,
    is_folder boolean,
    code text,
    currency_ref uuid,
    price_includes_vat boolean,
    is_used_in_sales boolean,
    changed_in bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    deleted_why text,
    absent_sweeps smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (system_name, row_key)
);
CREATE INDEX price_types_changed ON clean.price_types (system_name, changed_in);
COMMENT ON TABLE clean.price_types IS 'Виды цен: Price lists with currency and VAT treatment.';

CREATE TABLE clean.warehouses (
    system_name text NOT NULL,
    row_key uuid NOT NULL,
    ref uuid NOT NULL,
    data_version text,
    deletion_mark boolean NOT NULL,
    name text NOT NULL,
    is_folder boolean,
    warehouse_type text,
    retail_price_type_ref uuid,
    changed_in bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    deleted_why text,
    absent_sweeps smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (system_name, row_key)
);
CREATE INDEX warehouses_changed ON clean.warehouses (system_name, changed_in);
COMMENT ON TABLE clean.warehouses IS 'Склады: Warehouses and shops where stock is kept.';

CREATE TABLE clean.prices (
    system_name text NOT NULL,
    row_key uuid NOT NULL,
    price_type_ref uuid NOT NULL,
    product_ref uuid NOT NULL,
    variant_ref uuid,
    pricing_variant_ref uuid,
    series_ref uuid,
    package_ref uuid,
    unit_ref uuid,
    price numeric NOT NULL,
    currency_ref uuid,
    valid_from timestamptz NOT NULL,
    changed_in bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    deleted_why text,
    absent_sweeps smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (system_name, row_key)
);
CREATE INDEX prices_changed ON clean.prices (system_name, changed_in);
COMMENT ON TABLE clean.prices IS 'Цены номенклатуры: Current prices by price list; a price of pricing 2.5 belongs to a pricing variant.';

CREATE TABLE clean.stock (
    system_name text NOT NULL,
    row_key uuid NOT NULL,
    warehouse_ref uuid NOT NULL,
    product_ref uuid NOT NULL,
    variant_ref uuid,
    on_hand numeric,
    to_ship numeric,
    changed_in bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    deleted_why text,
    absent_sweeps smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (system_name, row_key)
);
CREATE INDEX stock_changed ON clean.stock (system_name, changed_in);
COMMENT ON TABLE clean.stock IS 'Остатки на складах: Stock by warehouse: on hand, about to be shipped, available (their difference, never below zero).';
