#!/usr/bin/env python3
"""PyTorch's side of the rows whose peer is PyTorch: main.py ROW CASE THREADS [VARIANT]"""

import networks
import operations
import primitives
from serve import serve

serve(networks.ROWS | operations.ROWS | primitives.ROWS)
