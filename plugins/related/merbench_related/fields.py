"""Field types that the configurations of this package share."""

from typing import Annotated

from pydantic import Field

from merbench.api import Tune

Width = Annotated[int, Field(ge=1), Tune(choices=(32, 64, 128, 256))]
Heads = Annotated[int, Field(ge=1), Tune(choices=(2, 4, 8))]
Dropout = Annotated[float, Field(ge=0, lt=1), Tune(0.0, 0.6)]
