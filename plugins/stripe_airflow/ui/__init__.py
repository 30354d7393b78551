"""The console: pages in Airflow's UI that show and steer syncs.

A page is a module in ``pages`` with its templates. It calls the functions of ``stripe_sync``, and
for writes those of the HTTP API, with the same rights. Pages are loaded whole; htmx changes parts
inside a page.
"""
