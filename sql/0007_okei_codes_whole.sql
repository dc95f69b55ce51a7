-- A code of OKEI is looked up whole: lpad cuts longer ones, so that 1660 counted as 166, the kilogram.
CREATE OR REPLACE FUNCTION integ.okei_factor(okei_code text, wanted_base text) RETURNS numeric
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT factor FROM integ.okei
    WHERE code = CASE WHEN length(okei_code) < 3 THEN lpad(okei_code, 3, '0') ELSE okei_code END
        AND base = wanted_base
$$;
