"""The way to Log Analytics: the client, the queries behind the charts, and what a person's own KQL may not contain."""
