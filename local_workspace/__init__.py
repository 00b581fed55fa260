"""A local Azure ML workspace: speaks the wire protocols of Azure ML and Azure Monitor and really runs what is deployed."""
