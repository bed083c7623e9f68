"""What a network costs: parameters and multiply-accumulates, and what its convolutions would cost as dense layers.

::

    count.py    walks a network and counts, layer by layer       the rules
    report.py   Report, LayerCount, Total                        the data
    text.py     table, JSON, CSV, Markdown                       the views of it

Nothing is allocated at the network's size: counts come from the layers' parameter_shapes() and output_shape().
"""

from fastconv.counting.count import Cost, cost, count
from fastconv.counting.report import LayerCount, Report, Total

__all__ = ["Cost", "LayerCount", "Report", "Total", "cost", "count"]
