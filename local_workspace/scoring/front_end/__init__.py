"""The scoring front end: what stands between callers and replicas, as azureml-fe does on Azure.

One process for all services: asyncio Protocol classes and httptools on uvloop, callbacks only. `clients` speaks HTTP to
callers, `services` gives out permits and replica connections, `replicas` speaks frames to replicas, `control` hears from
the workspace what there is to serve. Nothing here reads a scoring script or a model.
"""
