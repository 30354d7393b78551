"""Consumers: named readers of the streams, and what delivers to them."""
