"""The proxy: any request to Stripe, with the sync's key and pace; the streams get its objects."""
