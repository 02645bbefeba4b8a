"""The toolset `loft`: looks up customers, orders and products in a real shop or in the demo shop."""
