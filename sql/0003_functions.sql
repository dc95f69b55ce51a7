-- Facts about codes: OKEI units, currencies, VAT enumeration names, EAN check digits.
CREATE TABLE integ.okei (
    code text PRIMARY KEY,
    symbol text NOT NULL,
    base text NOT NULL,
    factor numeric NOT NULL
);
COMMENT ON TABLE integ.okei IS 'Units of the Russian classifier OKEI (OK 015-94): one unit = factor of its base unit';
INSERT INTO integ.okei (code, symbol, base, factor) VALUES
    ('003', 'мм', 'm', 0.001), ('004', 'см', 'm', 0.01), ('005', 'дм', 'm', 0.1), ('006', 'м', 'm', 1),
    ('008', 'км', 'm', 1000), ('039', 'дюйм', 'm', 0.0254),
    ('050', 'мм2', 'm2', 0.000001), ('051', 'см2', 'm2', 0.0001), ('053', 'дм2', 'm2', 0.01), ('055', 'м2', 'm2', 1),
    ('110', 'мм3', 'l', 0.000001), ('111', 'см3', 'l', 0.001), ('112', 'л', 'l', 1), ('113', 'м3', 'l', 1000),
    ('118', 'дл', 'l', 0.1), ('122', 'гл', 'l', 100), ('126', 'Мл', 'l', 1000000),
    ('160', 'гг', 'kg', 0.1), ('161', 'мг', 'kg', 0.000001), ('162', 'кар', 'kg', 0.0002), ('163', 'г', 'kg', 0.001),
    ('166', 'кг', 'kg', 1), ('168', 'т', 'kg', 1000), ('206', 'ц', 'kg', 100),
    ('616', 'боб', 'pcs', 1), ('625', 'лист', 'pcs', 1), ('704', 'набор', 'pcs', 1), ('715', 'пар', 'pcs', 2),
    ('728', 'пач', 'pcs', 1), ('736', 'рул', 'pcs', 1), ('778', 'упак', 'pcs', 1), ('796', 'шт', 'pcs', 1),
    ('798', 'тыс. шт', 'pcs', 1000), ('839', 'компл', 'pcs', 1), ('868', 'бут', 'pcs', 1), ('872', 'флак', 'pcs', 1),
    ('354', 'с', 's', 1), ('355', 'мин', 's', 60), ('356', 'ч', 's', 3600), ('359', 'сут', 's', 86400);

CREATE FUNCTION integ.okei_factor(okei_code text, wanted_base text) RETURNS numeric
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT factor FROM integ.okei WHERE code = lpad(okei_code, 3, '0') AND base = wanted_base
$$;
COMMENT ON FUNCTION integ.okei_factor IS 'How many of the base unit (kg, m, m2, l, pcs, s) one unit of this code is; NULL if it is none';

CREATE FUNCTION integ.currency_letter_code(numeric_code text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE lpad(numeric_code, 3, '0')
        WHEN '643' THEN 'RUB' WHEN '810' THEN 'RUB' WHEN '840' THEN 'USD' WHEN '978' THEN 'EUR' WHEN '933' THEN 'BYN'
        WHEN '398' THEN 'KZT' WHEN '156' THEN 'CNY' WHEN '417' THEN 'KGS' WHEN '051' THEN 'AMD' WHEN '860' THEN 'UZS'
        WHEN '972' THEN 'TJS' WHEN '944' THEN 'AZN' WHEN '981' THEN 'GEL' WHEN '949' THEN 'TRY' WHEN '784' THEN 'AED'
        WHEN '826' THEN 'GBP' WHEN '756' THEN 'CHF' WHEN '392' THEN 'JPY' WHEN '356' THEN 'INR' WHEN '985' THEN 'PLN'
        WHEN '980' THEN 'UAH' WHEN '498' THEN 'MDL' WHEN '410' THEN 'KRW' WHEN '344' THEN 'HKD'
    END
$$;
COMMENT ON FUNCTION integ.currency_letter_code IS 'ISO 4217 letters of a numeric code; 810 is the rouble of before 1998, still found in old bases';

CREATE FUNCTION integ.vat_percent(vat_code text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN vat_code ~ '^НДС[0-9]{1,2}(_[0-9]{3})?$' THEN (regexp_match(vat_code, '^НДС([0-9]{1,2})'))[1]::numeric
    END
$$;
COMMENT ON FUNCTION integ.vat_percent IS 'Percent of a name of the enumeration СтавкиНДС (НДС20, НДС20_120); NULL for БезНДС and unknown names';

CREATE FUNCTION integ.is_ean(barcode text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT barcode ~ '^([0-9]{8}|[0-9]{13})$' AND (
        SELECT sum(substr(barcode, length(barcode) + 1 - n, 1)::integer * CASE WHEN n % 2 = 0 THEN 3 ELSE 1 END) % 10 = 0
        FROM generate_series(1, length(barcode)) AS n
    )
$$;
COMMENT ON FUNCTION integ.is_ean IS 'An EAN-8 or EAN-13 whose check digit is right (GS1 General Specifications)';
