"""Webhooks: each item is posted to a URL, signed as Standard Webhooks prescribe."""

from stripe_sync.consumers.sinks.webhook.settings import WebhookSettings
from stripe_sync.consumers.sinks.webhook.signing import new_webhook_secret
from stripe_sync.consumers.sinks.webhook.sink import WebhookSink

__all__ = ["WebhookSettings", "WebhookSink", "new_webhook_secret"]
