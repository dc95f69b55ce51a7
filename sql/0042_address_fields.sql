-- Addresses of UT 11.4, which keeps their parts as XML in ЗначенияПолей; later releases keep JSON in Значение.
ALTER TABLE clean.customers_contacts ADD COLUMN address_fields text;
ALTER TABLE clean.counterparties_contacts ADD COLUMN address_fields text;
