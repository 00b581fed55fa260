"""The local Azure Monitor: telemetry in (Breeze), tables (DuckDB), queries out (Log Analytics REST)."""
