# The image of all Airflow services in docker-compose.yaml.
# The slim image: the full one has dozens of providers, and their requirements conflict with our pins.
FROM apache/airflow:slim-3.3.2-python3.11

COPY --chown=airflow:0 requirements.txt /opt/stripe/requirements.txt
RUN pip install --no-cache-dir -r /opt/stripe/requirements.txt

# Entry points register plugin and connection types: /opt/airflow/plugins stays empty.
COPY --chown=airflow:0 pyproject.toml requirements.in README.md LICENSE /opt/stripe/
COPY --chown=airflow:0 include /opt/stripe/include
COPY --chown=airflow:0 plugins /opt/stripe/plugins
RUN pip install --no-cache-dir --no-deps /opt/stripe

COPY --chown=airflow:0 dags /opt/airflow/dags
COPY --chown=airflow:0 dbt /opt/airflow/dbt
RUN mkdir -p /opt/airflow/lake
