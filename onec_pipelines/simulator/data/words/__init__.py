"""Words of the shop: sorted vocabularies and tables of facts, no logic."""
