"""The PostgreSQL side: addresses, connections, errors, migrations and the server that ships with us.

Here belongs what is true of any PostgreSQL. Which tables there are belongs to `sql/`, what we remember in
them to `ledger`.
"""
