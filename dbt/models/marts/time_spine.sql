select generate_series(
    date '2011-01-01', (now() at time zone 'UTC')::date + 366, interval '1 day'
)::date as day
