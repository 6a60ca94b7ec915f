"""The parametric channel: adapters as build products, certified, routed, taken back."""
