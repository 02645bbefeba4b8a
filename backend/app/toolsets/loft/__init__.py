"""LOFT, a shop's assistant: looking up customers, orders and products, in a real shop or in the demo one."""
