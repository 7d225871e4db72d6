"""Texts as the baseline models take them where no transform was learned."""

import pyarrow as pa

from components.baseline_models.raw_rows import raw_rows
from models.features.spec import FeaturesSpec


def test_texts_are_the_ids_of_their_words() -> None:
    problem = FeaturesSpec.model_validate(
        {"task": "binary", "label": {"name": "y"}, "features": {"t": {"type": "text"}}}
    )
    table = pa.table({"t": ["good <b>soup</b> good", None, "soup, once"], "y": [1, 0, 0]})
    (port,), rows = raw_rows(table, [], problem, ["t"])
    # `good` and `soup` come twice each, `once` is unknown; 0 stands for no word.
    assert rows.columns["t"].tolist() == [[2, 3, 2], [0, 0, 0], [3, 1, 0]]
    assert (port.size, port.row_shape, port.encoding.design) == (4, (3,), "bag")
    assert rows.labels.tolist() == [1, 0, 0]
