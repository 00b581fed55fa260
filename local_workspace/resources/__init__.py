"""One file per resource of the wire protocol: paths, payloads, rules and errors."""
