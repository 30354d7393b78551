"""The Airflow provider: connection types, operators, a sensor, a trigger, pages in the UI.

Hooks turn Airflow connections into ``stripe_sync.Connections``. Operators call the use cases of
``stripe_sync`` and log their reports. The work itself is done there.
"""
