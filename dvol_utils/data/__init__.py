"""Raw store, simulated market and panel."""
