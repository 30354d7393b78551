"""List requests: filters, cursors and pages."""
