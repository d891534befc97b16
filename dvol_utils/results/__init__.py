"""Results: the study's findings as tables, sentences and `results.json`."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules={"edge", "significance_table", "where"},
    submod_attrs={
        "after_study": ["after_sentences", "after_table", "reach_line"],
        "attainable": ["attainable", "oracle_result", "oracle_table"],
        "judging": ["LEVEL"],
        "metrics": ["metrics_table"],
        "persistence": ["hourly_levels", "study_ended", "study_rows"],
        "published_figures": ["PUBLISHED_FIGURES", "beside_published"],
        "results_json": ["read_results", "study_results", "write_results"],
        "chosen_model": ["choose"],
    },
)
