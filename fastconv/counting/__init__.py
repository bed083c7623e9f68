"""What a network costs: parameters and multiply-accumulates, and what its convolutions would cost as dense layers.

::

    count.py    walks a network and counts, layer by layer
    costs.py    what a layer costs                               a rule a layer type
    field.py    what an output sees of the image                 a rule a layer type
    report.py   Report, LayerCount, Total                        the data
    text.py     table, JSON, CSV, Markdown                       the views of it
    ladder.py   from a dense layer to a convolution, its views in ladder_text.py
    comparison.py    a network beside its dense equivalents
    plot.py     the pictures of all three
    equivariance.py  whether what moves in the image moves in the output: measured, not counted

Nothing is allocated at the network's size: counts come from the layers' parameter_shapes() and output_shape().
"""

from fastconv.counting.comparison import Comparison, compare
from fastconv.counting.costs import Cost, cost
from fastconv.counting.count import count
from fastconv.counting.equivariance import Equivariance, equivariance
from fastconv.counting.ladder import Factor, Ladder, Step, ladder
from fastconv.counting.report import LayerCount, Report, Total

__all__ = [
    "Comparison",
    "Cost",
    "Equivariance",
    "Factor",
    "Ladder",
    "LayerCount",
    "Report",
    "Step",
    "Total",
    "compare",
    "cost",
    "count",
    "equivariance",
    "ladder",
]
