"""Host names: an asynchronous client, the system's files, and the service that looks devices up.

It knows the configuration. Begin with `service.py`.
"""
