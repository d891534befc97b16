"""Raw store, simulated market and panel."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules={"checks"},
    submod_attrs={
        "panel": ["build_panel", "check_length"],
        "raw.store": ["raw_hashes", "store_table"],
        "simulated.market": ["true_jumps", "write_store"],
        "simulated.stylised": ["stylised_facts"],
    },
)
