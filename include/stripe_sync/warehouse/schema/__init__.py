"""Tables, migrations and SQL functions of the warehouse."""
